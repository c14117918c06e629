/** How a publisher works. All times in milliseconds. */
export interface PublisherSettings {
  /** Name of this outbox in every entry: consumers know its events by it. It never changes. */
  readonly source: string;
  /** Rows per page, which is about the size of a batch. */
  readonly pageSize: number;
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
}

/** What is used unless configured otherwise. */
export const defaultSettings: Omit<PublisherSettings, 'source'> = {
  pageSize: 500,
  maxInFlight: 2,
  lingerMs: 5,
  pollMs: 1_000,
  sweepMs: 3_000,
  sessionTimeoutMs: 10_000,
  maxEntryBytes: 1024 * 1024,
};
