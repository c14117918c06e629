import { toVerdict } from '../harness/goals.ts';
import { notesOf, tableOf } from '../harness/report.ts';
import type { Results, StoredAnswer } from '../harness/results.ts';
import { chartsOf } from './charts.ts';

/** The folder of the charts, beside the page. */
export const chartsFolder = 'performance';

const region = /^(<!-- results: (\S+) -->\n)[\s\S]*?^(<!-- end -->)$/gm;

/**
 * Writes the last results into a page, between `<!-- results: <question> -->` and `<!-- end -->`; `machine` stands for on what
 * they were measured. The rest of the page stays as it is.
 */
export function fillPage(page: string, results: Results): string {
  return page.replaceAll(region, (_, begin: string, name: string, end: string) => {
    const content = name === 'machine' ? describe(results) : toSection(name, results);
    return `${begin}\n${content}\n\n${end}`;
  });
}

function toSection(question: string, { answers }: Results): string {
  const answer = answers.find((one) => one.question === question);
  if (answer === undefined) return `Not measured yet: \`npm run bench -- ${question}\`.`;
  const images = [...chartsOf(answer)].map(([file, { title }]) => `![${title}](${chartsFolder}/${file})`);
  const goals = answer.goals.map((goal) => `- ${goal.met ? '' : '**missed**: '}${toVerdict(goal)}`);
  const notes = notesOf(answer);
  const parts = [headOf(answer), tableOf(answer.variants), notes.join('\n'), goals.join('\n'), ...images];
  return parts.filter((part) => part !== '').join('\n\n');
}

function headOf({ title, rounds, at, loadAverageBefore }: StoredAnswer): string {
  return `${title}. Medians of ${rounds} rounds, ${at.slice(0, 10)}, load before ${loadAverageBefore}.`;
}

function describe({ machine, answers }: Results): string {
  if (answers.length === 0) return 'Not measured yet: `npm run bench`.';
  const { cores, cpu, postgresql, redis, node } = machine;
  return `${cores} x ${cpu}, PostgreSQL ${postgresql}, Redis ${redis}, Node.js ${node}; everything on one machine.`;
}
