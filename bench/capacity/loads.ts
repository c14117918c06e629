/** How much a bus carries, and how long it keeps what. */
export interface Load {
  readonly name: string;
  /** Events per second in the busiest hour. */
  readonly peak: number;
  readonly perDay: number;
  /** In hours. */
  readonly keep: {
    readonly hot: number;
    readonly outbox: number;
    readonly inbox: number;
  };
}

const day = 24;
/** What the bus does without being told. */
const defaults = { hot: 7 * day, outbox: 7 * day, inbox: 30 * day };

/**
 * The loads of the decision for Redis Streams: what the platform has, ten times that, and the rate that was required. Its
 * 1,000 events/s are ten times its peak. Beyond these: what is far above them.
 */
export const loads: readonly Load[] = [
  { name: '10,000 events/day', peak: 100, perDay: 10_000, keep: defaults },
  { name: '100,000 events/day', peak: 1_000, perDay: 100_000, keep: defaults },
  {
    name: '1,000 events/s, all day',
    peak: 1_000,
    perDay: 86_400_000,
    keep: { hot: 4, outbox: day, inbox: 3 * day },
  },
  {
    name: '50,000 events/s, all day',
    peak: 50_000,
    perDay: 4_320_000_000,
    keep: { hot: 0.25, outbox: 3, inbox: 1.5 * day },
  },
];
