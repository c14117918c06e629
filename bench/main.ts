// `npm run bench`: see README.md.
import { parseArgs } from 'node:util';
import { append } from './append.ts';
import { consume } from './consume.ts';
import { deliver } from './deliver.ts';
import { growth } from './growth.ts';
import { formatValue } from './harness/figure.ts';
import { describeMachine, loadAverage } from './harness/machine.ts';
import type { Question } from './harness/question.ts';
import { toReport } from './harness/report.ts';
import { latestResults, storeResults } from './harness/results.ts';
import { type Answer, answer } from './harness/rounds.ts';
import { startDurablePostgres } from './harness/servers.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { publish } from './publish.ts';
import { start } from './start.ts';
import { storage } from './storage.ts';
import { traceConsume, tracePublish } from './tracing.ts';

const questions: readonly Question[] = [
  publish,
  consume,
  deliver,
  append,
  latency,
  growth,
  memory,
  storage,
  start,
  tracePublish,
  traceConsume,
];
const quickShare = 0.05;
const usage = `usage: npm run bench -- [${questions.map(({ name }) => name).join(' | ')}]... [--quick] [--no-goals] [--results <file>]`;

function readArguments() {
  try {
    const options = {
      quick: { type: 'boolean' },
      'no-goals': { type: 'boolean' },
      results: { type: 'string' },
    } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const unknown = positionals.find((name) => !questions.some((question) => question.name === name));
    if (unknown !== undefined) throw new Error(`there is no question ${unknown}`);
    const asked = questions.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
    const quick = values.quick === true;
    // Figures of a quick run mean nothing: they are on record only where somebody asks for them.
    const results = values.results ?? (quick ? undefined : latestResults);
    return { asked, quick, judged: values['no-goals'] !== true, results };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(2);
  }
}

const { asked, quick, judged, results } = readArguments();
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
      onRun: (variant, { figures }) => {
        const [first] = figures;
        const measured = first === undefined ? '' : `${formatValue(first.value)} ${first.unit}`;
        console.error(`  ${question.name}: ${variant}: ${measured}`);
      },
    });
    answers.push(result);
    console.log(`\n${toReport(result)}`);
    // One by one: a question that fails must not cost the answers before it.
    if (results !== undefined) {
      const stored = { ...result, at: new Date().toISOString(), loadAverageBefore };
      await storeResults(results, { machine, answers: [stored] });
    }
  }
  if (judged && answers.some(({ goals }) => goals.some(({ met }) => !met))) process.exitCode = 1;
} finally {
  await postgres.stop();
}
