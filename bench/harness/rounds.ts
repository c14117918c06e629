import { setTimeout as delay } from 'node:timers/promises';
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
  /** Other people's software that was run, with versions. */
  readonly software: readonly string[];
  readonly leftOut: readonly { readonly variant: string; readonly why: string }[];
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
  const { variants, software, leftOut } = await takeStock(question.variants);
  await question.prepare(options.stage);
  for (const variant of variants) await variant.prepare?.(options.stage);
  const runs = new Map<string, Run[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round += 1) {
    const order = round % 2 === 0 ? variants : variants.toReversed();
    for (const variant of order) {
      const run = await runOnce(variant, options.stage);
      runs.get(variant.name)?.push(run);
      options.onRun(variant.name, run);
    }
  }
  const results = toResults(runs);
  const isMeasured = (name: string) => runs.has(name);
  return {
    question: question.name,
    title: question.title,
    rounds: options.rounds,
    variants: results,
    software,
    leftOut,
    goals: question.goals
      .filter(({ variant, over = variant }) => isMeasured(variant) && isMeasured(over))
      .map((goal) => judge(goal, results)),
  };
}

/** What can be run here, and what of it is other people's. */
async function takeStock(all: readonly Variant[]) {
  const variants: Variant[] = [];
  const software = new Set<string>();
  const leftOut: { variant: string; why: string }[] = [];
  for (const variant of all) {
    try {
      for (const one of (await variant.software?.()) ?? []) software.add(one);
      variants.push(variant);
    } catch (error) {
      leftOut.push({ variant: variant.name, why: error instanceof Error ? error.message : String(error) });
    }
  }
  return { variants, software: [...software], leftOut };
}

const longestCalmMs = 20_000;
let lastCopyMs = 0;

async function runOnce(variant: Variant, stage: RoundOptions['stage']): Promise<Run> {
  const redis = await startDurableRedis();
  const copies: string[] = [];
  try {
    const database = async (template: string) => {
      const beganAt = performance.now();
      const copy = await stage.postgres.createDatabase(undefined, template);
      copies.push(copy.name);
      // What earlier runs left to be written is written now, not during this one. Then the machine is given as long to calm
      // down as that took, or the copy before, which has just been dropped: right after gigabytes everything runs at two
      // thirds of its speed.
      await withClient(copy.url, (client) => client.query('checkpoint'));
      const copyMs = performance.now() - beganAt;
      await delay(Math.min(Math.max(copyMs, lastCopyMs), longestCalmMs));
      lastCopyMs = copyMs;
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
