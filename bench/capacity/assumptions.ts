/**
 * What the benchmarks do not tell. Bytes were measured on the tables of this version with the events of the benchmarks: 20,000
 * rows, PostgreSQL 18.4, Redis 7.0.15.
 */
export const assumptions = {
  /** All that a producer gives, and the ID. */
  dataBytes: 358,
  /** A row with its index entries, and WAL for it. */
  outboxBytes: 513,
  outboxWalBytes: 621,
  /** Of each group. */
  inboxBytes: 216,
  inboxWalBytes: 291,
  /** An entry in a stream, with stream-node-max-bytes as it comes and with 16384. */
  redisBytes: { usual: 550, largeNodes: 456 },
  /** Not measured: a line of an archived object, some 750 bytes, compressed. */
  archivedBytes: 190,

  /** Groups that handle each event: one with a transaction per event, the others with `transaction: 'batch'`. */
  groups: 3,
  topics: 2,
  eventsPerBatch: 100,

  /** How busy a core may be in the busiest hours: the rest is for peaks, and for catching up after an outage. */
  busy: 0.6,
  /** How full Redis may be: below its alarm, and with room for a backlog and for what rewriting the AOF copies. */
  redisFull: 0.6,
  /** What a worker takes that does little, in cores and GiB: the least that can be rented. */
  idleWorker: { cores: 0.25, gib: 0.5 },
  /** Flushes of WAL per second at most: transactions that commit meanwhile share one, of about a millisecond. */
  flushesPerSecond: 1_000,
  /** An archiver sweeps each stream once a minute, and asks the archive twice. */
  requestsPerSweep: 2,
  objectBytes: 64 * 1_024 ** 2,
  coldDays: 90,
} as const;
