import type { PageLimits } from '@event-bus/outbox/log';

/** How a publisher works. All times in milliseconds. A page is about the size of a batch. */
export interface PublisherSettings extends PageLimits {
  /** Name of this outbox in every entry: consumers know its events by it. It never changes. */
  readonly source: string;
  /** Batches that may be under way before the first is answered. */
  readonly maxInFlight: number;
  /** How long to wait for more, after less than a page, before the next look. */
  readonly lingerMs: number;
  /** Longest time between two looks at the outbox. */
  readonly pollMs: number;
  /** How often streams that nobody writes to are checked for loss. */
  readonly sweepMs: number;
  /** A leader that is frozen or cut off this long loses the lead. */
  readonly sessionTimeoutMs: number;
  /** Largest stream entry; a larger one is parked. */
  readonly maxEntryBytes: number;
  /** The log keeps what is younger, whatever became of it: as old as the oldest backup of Redis one would restore. */
  readonly keepMs: number;
}

/** What is used unless configured otherwise. */
export const defaultSettings: Omit<PublisherSettings, 'source'> = {
  pageSize: 500,
  pageBytes: 1024 * 1024,
  maxInFlight: 2,
  lingerMs: 5,
  pollMs: 1_000,
  sweepMs: 3_000,
  sessionTimeoutMs: 10_000,
  maxEntryBytes: 1024 * 1024,
  keepMs: 7 * 86_400_000,
};
