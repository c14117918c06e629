// `npm run bench`: see README.md.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { append } from './append.ts';
import { consume } from './consume.ts';
import { deliver } from './deliver.ts';
import { growth } from './growth.ts';
import { describeMachine, loadAverage, type Machine } from './harness/machine.ts';
import type { Question } from './harness/question.ts';
import { toTable } from './harness/report.ts';
import { type Answer, answer } from './harness/rounds.ts';
import { startDurablePostgres } from './harness/servers.ts';
import { publish } from './publish.ts';

const questions: readonly Question[] = [publish, consume, deliver, append, growth];
const quickShare = 0.05;
const usage = `usage: npm run bench -- [${questions.map(({ name }) => name).join(' | ')}]... [--quick] [--no-goals]`;

interface Results {
  readonly machine: Machine;
  readonly answers: readonly (Answer & { readonly at: string; readonly loadAverageBefore: string })[];
}

function readArguments() {
  try {
    const options = { quick: { type: 'boolean' }, 'no-goals': { type: 'boolean' } } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const unknown = positionals.find((name) => !questions.some((question) => question.name === name));
    if (unknown !== undefined) throw new Error(`there is no question ${unknown}`);
    const asked = questions.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
    return { asked, quick: values.quick === true, judged: values['no-goals'] !== true };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(2);
  }
}

/** Answers that were not asked for again stay as they are. */
async function store({ machine, answers }: Results): Promise<void> {
  const file = join(import.meta.dirname, 'results', 'latest.json');
  const before = await readFile(file, 'utf8').then(
    (text) => (JSON.parse(text) as Results).answers,
    () => [],
  );
  const kept = before.filter(({ question }) => !answers.some((one) => one.question === question));
  const results: Results = { machine, answers: [...kept, ...answers] };
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
}

const { asked, quick, judged } = readArguments();
const loadAverageBefore = loadAverage();
const postgres = await startDurablePostgres();
try {
  const machine = await describeMachine(postgres);
  const { node, postgresql, redis, cores, cpu } = machine;
  console.log(
    `Node.js ${node}, PostgreSQL ${postgresql}, Redis ${redis}; ${cores} x ${cpu}; load ${loadAverageBefore}`,
  );
  const answers: Answer[] = [];
  for (const question of asked) {
    const result = await answer(question, {
      stage: { postgres, count: (full) => (quick ? Math.ceil(full * quickShare) : full) },
      rounds: quick ? 1 : 3,
      onRun: (variant, rate) => console.error(`  ${question.name}: ${variant}: ${Math.round(rate)} events/s`),
    });
    answers.push(result);
    console.log(`\n${toTable(result)}`);
  }
  if (!quick) {
    const at = new Date().toISOString();
    await store({ machine, answers: answers.map((result) => ({ ...result, at, loadAverageBefore })) });
  }
  if (judged && answers.some(({ goals }) => goals.some(({ met }) => !met))) process.exitCode = 1;
} finally {
  await postgres.stop();
}
