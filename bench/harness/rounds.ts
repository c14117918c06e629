import type { Goal, Question, Run, Stage, Variant } from './question.ts';
import { startDurableRedis } from './servers.ts';
import { withClient } from './with-client.ts';

/** How one variant did in all rounds. */
export interface VariantResult {
  readonly name: string;
  readonly events: number;
  readonly eventsPerSecond: { readonly median: number; readonly min: number; readonly max: number };
  /** Median of median over the first variant's. */
  readonly ratio: number;
  /** CPU time per event in microseconds, of the median run. */
  readonly cpuPerEvent:
    | { readonly program: number; readonly postgres: number; readonly redis: number }
    | undefined;
}

/** A goal and what became of it. */
export interface GoalResult extends Goal {
  readonly reached: number;
  readonly met: boolean;
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
  readonly onRun: (variant: string, eventsPerSecond: number) => void;
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
      options.onRun(variant.name, rateOf(run));
    }
  }
  const medians = new Map([...runs].map(([name, all]) => [name, median(all)]));
  const ratio = (variant: string, over: string) => rateOf(medians.get(variant)) / rateOf(medians.get(over));
  const goals = question.goals.filter(({ variant, over }) => medians.has(variant) && medians.has(over));
  return {
    question: question.name,
    title: question.title,
    rounds: options.rounds,
    variants: variants.map(({ name }) => ({
      name,
      ...summary(runs.get(name) ?? []),
      ratio: ratio(name, question.variants[0].name),
    })),
    software,
    leftOut,
    goals: goals.map((goal) => {
      const reached = ratio(goal.variant, goal.over);
      return { ...goal, reached, met: reached >= goal.atLeast };
    }),
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

function rateOf(run: Run | undefined): number {
  return run === undefined ? 0 : run.events / run.seconds;
}

function median(runs: readonly Run[]): Run | undefined {
  return runs.toSorted((a, b) => rateOf(a) - rateOf(b))[Math.floor((runs.length - 1) / 2)];
}

function summary(runs: readonly Run[]): Pick<VariantResult, 'events' | 'eventsPerSecond' | 'cpuPerEvent'> {
  const middle = median(runs);
  const rates = runs.map(rateOf);
  const { events = 0, cpu } = middle ?? {};
  return {
    events,
    eventsPerSecond: { median: rateOf(middle), min: Math.min(...rates), max: Math.max(...rates) },
    cpuPerEvent: cpu && {
      program: cpu.program / events,
      postgres: cpu.postgres / events,
      redis: cpu.redis / events,
    },
  };
}
