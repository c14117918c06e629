import { type FigureSummary, middleOf, summarise } from './figure.ts';
import { type GoalResult, judge } from './goals.ts';
import type { Course, Question, Run, Stage, Variant } from './question.ts';
import { startDurableRedis } from './servers.ts';
import { withClient } from './with-client.ts';

/** How one variant did in all rounds. */
export interface VariantResult {
  readonly name: string;
  readonly events: number;
  readonly figures: readonly FigureSummary[];
  /** Median of the first figure over the first variant's; `undefined` if that one was not measured by it. */
  readonly ratio: number | undefined;
  /** That of the median run. */
  readonly course?: Course | undefined;
}

/** The answer to a question. */
export interface Answer {
  readonly question: string;
  readonly title: string;
  readonly rounds: number;
  readonly variants: readonly VariantResult[];
  readonly goals: readonly GoalResult[];
}

interface RoundOptions {
  readonly stage: Omit<Stage, 'redis' | 'database'>;
  readonly rounds: number;
  /** Told after each run. */
  readonly onRun: (variant: string, run: Run) => void;
}

/** Runs every variant once per round, every second round in reverse order, and compares the medians. */
export async function answer(question: Question, options: RoundOptions): Promise<Answer> {
  await question.prepare(options.stage);
  const runs = new Map<string, Run[]>(question.variants.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round += 1) {
    const order = round % 2 === 0 ? question.variants : question.variants.toReversed();
    for (const variant of order) {
      const run = await runOnce(variant, options.stage);
      runs.get(variant.name)?.push(run);
      options.onRun(variant.name, run);
    }
  }
  const variants = toResults(runs);
  return {
    question: question.name,
    title: question.title,
    rounds: options.rounds,
    variants,
    goals: question.goals.map((goal) => judge(goal, variants)),
  };
}

async function runOnce(variant: Variant, stage: RoundOptions['stage']): Promise<Run> {
  const redis = await startDurableRedis();
  const copies: string[] = [];
  try {
    const database = async (template: string) => {
      const copy = await stage.postgres.createDatabase(undefined, template);
      copies.push(copy.name);
      // What earlier runs left to be written is written now, not during this one.
      await withClient(copy.url, (client) => client.query('checkpoint'));
      return copy.url;
    };
    return await variant.run({ ...stage, redis, database });
  } finally {
    for (const name of copies) await stage.postgres.dropDatabase(name);
    await redis.stop();
  }
}

function toResults(runs: ReadonlyMap<string, readonly Run[]>): VariantResult[] {
  let base: FigureSummary | undefined;
  return [...runs].map(([name, all]) => {
    const figures = summarise(all.map((run) => run.figures));
    const [first] = figures;
    base ??= first;
    const middle = middleOf(all.toSorted((a, b) => firstValue(a) - firstValue(b)));
    return {
      name,
      events: middle?.events ?? 0,
      figures,
      ratio: first?.name === base?.name ? (first?.median ?? 0) / (base?.median ?? 0) : undefined,
      course: middle?.course,
    };
  });
}

function firstValue(run: Run): number {
  return run.figures[0]?.value ?? 0;
}
