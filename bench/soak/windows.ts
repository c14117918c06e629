/** How long the bus of a run keeps what, in seconds. */
export interface Windows {
  readonly hot: number;
  readonly archiveEvery: number;
  readonly outboxKeep: number;
  readonly outboxPruneEvery: number;
  /** How much of the outbox one of its partitions holds, which is a day elsewhere. */
  readonly partition: number;
  /** What is older has left the streams while groups keep up. */
  readonly streams: number;
  /** What is older has left the outbox then. */
  readonly outbox: number;
}

// A sweep or a look at the partitions may just have been missed, and takes a while itself beside all other load.
const slack = 10;

/** Windows so short that archiving, trimming and pruning happen many times while a rate is held for so many seconds. */
export function windowsFor(seconds: number): Windows {
  const [hot, archiveEvery, outboxKeep, outboxPruneEvery] = [10, 3, 10, 2];
  // A publisher reads all partitions, and has a dozen of them elsewhere.
  const partition = Math.max(5, Math.ceil(seconds / 20));
  return {
    hot,
    archiveEvery,
    outboxKeep,
    outboxPruneEvery,
    partition,
    streams: hot + 2 * archiveEvery + slack,
    outbox: outboxKeep + partition + 2 * outboxPruneEvery + slack,
  };
}

/** What the workers are told of it. */
export function environmentOf({ hot, archiveEvery, outboxKeep, outboxPruneEvery }: Windows) {
  return {
    RETENTION: `*.hot=${hot}s`,
    ARCHIVE_EVERY: `${archiveEvery}s`,
    OUTBOX_KEEP: `${outboxKeep}s`,
    OUTBOX_PRUNE_EVERY: `${outboxPruneEvery}s`,
    INBOX_PRUNE_EVERY: '10s',
  };
}
