import type { PostgresServer, RedisServer } from '@event-bus/testkit';

/** What a run is given: servers that nobody else uses meanwhile. */
export interface Stage {
  readonly postgres: PostgresServer;
  /** Started for this run, and empty. */
  readonly redis: RedisServer;
  /** A new copy of a database that the question has prepared. Its address. */
  database(template: string): Promise<string>;
  /** How many events to use in place of `full`: fewer in a quick run. */
  count(full: number): number;
}

/** What a question may do once, before its runs. */
export type Preparation = Omit<Stage, 'redis' | 'database'>;

/** CPU time in microseconds. */
export interface CpuTime {
  readonly program: number;
  readonly postgres: number;
  readonly redis: number;
}

/** One run of one variant; it was complete, or it would have failed. */
export interface Run {
  readonly events: number;
  readonly seconds: number;
  /** In all; `undefined` where the system does not tell. */
  readonly cpu: CpuTime | undefined;
}

/** One way of doing what is measured. */
export interface Variant {
  readonly name: string;
  /** What of other people's software it runs, and in which versions. Rejects where that cannot be had: it is left out then. */
  software?(): Promise<readonly string[]>;
  /** Done once, before the first run. */
  prepare?(preparation: Preparation): Promise<void>;
  run(stage: Stage): Promise<Run>;
}

/** A ratio of two variants that must not fall below a number. */
export interface Goal {
  readonly variant: string;
  readonly over: string;
  readonly atLeast: number;
}

/** A comparison of variants. The first one is what the others are compared with. */
export interface Question {
  readonly name: string;
  readonly title: string;
  prepare(preparation: Preparation): Promise<void>;
  readonly variants: readonly [Variant, ...Variant[]];
  readonly goals: readonly Goal[];
}
