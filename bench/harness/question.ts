import type { PostgresServer, RedisServer } from '@event-bus/testkit';
import type { Figure } from './figure.ts';

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

/** One run of one variant; it was complete, or it would have failed. */
export interface Run {
  readonly events: number;
  /** What was measured. */
  readonly figures: readonly Figure[];
  /** Events per second in the course of the run. */
  readonly course?: Course | undefined;
}

/** A rate in the course of time: seconds since the start, and events per second around then. */
export type Course = readonly (readonly [seconds: number, eventsPerSecond: number])[];

/** One way of doing what is measured. */
export interface Variant {
  readonly name: string;
  /** What of other people's software it runs, and in which versions. Rejects where that cannot be had: it is left out then. */
  software?(): Promise<readonly string[]>;
  /** Done once, before the first run. */
  prepare?(preparation: Preparation): Promise<void>;
  run(stage: Stage): Promise<Run>;
}

/** On which side of a number a figure has to stay. */
export type Bound = { readonly atLeast: number } | { readonly atMost: number };

/** What a figure of a variant must reach. */
export type Goal = Bound & {
  readonly variant: string;
  /** The name of the figure; without it, the first of the question. */
  readonly figure?: string;
  /** The variant to whose figure it is related; without it, the figure is judged as it is, in its unit. */
  readonly over?: string;
};

/** A comparison of variants. Their first figure is compared with that of the first one. */
export interface Question {
  readonly name: string;
  readonly title: string;
  prepare(preparation: Preparation): Promise<void>;
  readonly variants: readonly [Variant, ...Variant[]];
  readonly goals: readonly Goal[];
}
