/**
 * The names of all spans, attributes and metrics, spelt once. Those under `messaging.` and `error.` follow the
 * OpenTelemetry semantic conventions for messaging; those under `bus.` are ours. This file imports nothing,
 * so that any package may use it.
 */

/** The instrumentation scope of everything the bus emits. */
export const instrumentationScope = 'event-bus';

/** The value of `messaging.system`: the conventions have none for Redis Streams. */
export const messagingSystem = 'redis_streams';

/** Attribute names, for spans and metrics alike. */
export const attributeNames = {
  messagingSystem: 'messaging.system',
  /** The stream's key. */
  destinationName: 'messaging.destination.name',
  /** One of `operationTypes`. */
  operationType: 'messaging.operation.type',
  /** One of `operationNames`. */
  operationName: 'messaging.operation.name',
  consumerGroupName: 'messaging.consumer.group.name',
  /** The event's ID, which is the same in every duplicate; not the stream entry's. */
  messageId: 'messaging.message.id',
  batchMessageCount: 'messaging.batch.message_count',
  errorType: 'error.type',
  eventType: 'bus.event.type',
  eventVersion: 'bus.event.version',
  aggregateType: 'bus.aggregate.type',
  aggregateId: 'bus.aggregate.id',
  tenantId: 'bus.tenant.id',
  /** The outbox an event comes from. */
  source: 'bus.source',
  position: 'bus.position',
  /** How many times the event was handed to this group's handler, this time included. */
  attempt: 'bus.attempt',
  /** What became of an event in a group: `done`, `skipped`, `retry`, `dead`, `duplicate` and so on. */
  outcome: 'bus.outcome',
  /** The stream entry's ID. */
  streamEntryId: 'bus.stream.entry_id',
  replayId: 'bus.replay.id',
  /** The object of the archive that holds the event. */
  archiveKey: 'bus.archive.key',
  /** Why something is not done, in a word. */
  reason: 'bus.reason',
  /** A server or database that a process needs. */
  dependency: 'bus.dependency',
  poolName: 'db.client.connection.pool.name',
  /** `idle` or `used`. */
  connectionState: 'db.client.connection.state',
} as const;

/** Values of `messaging.operation.type`, as the conventions fix them. */
export const operationTypes = {
  create: 'create',
  send: 'send',
  receive: 'receive',
  process: 'process',
  settle: 'settle',
} as const;

/** Values of `messaging.operation.name`: what the bus itself calls the operation. */
export const operationNames = {
  append: 'append',
  publish: 'publish',
  receive: 'receive',
  process: 'process',
  acknowledge: 'acknowledge',
  deadLetter: 'dead-letter',
  redrive: 'redrive',
  replay: 'replay',
  archive: 'archive',
} as const;

/** The name of a span: the operation and what it is done to, such as `process events:user`. */
export function spanName(operation: keyof typeof operationNames, destination: string): string {
  return `${operationNames[operation]} ${destination}`;
}

/**
 * Metric names. In Prometheus the dots become underscores, and counters end in `_total`.
 */
export const metricNames = {
  /** Counter: events written to a stream. */
  sentMessages: 'messaging.client.sent.messages',
  /** Counter: events handed to a group. */
  consumedMessages: 'messaging.client.consumed.messages',
  /** Histogram, s: one batch, from when it was formed until it is in its streams and recorded. */
  operationDuration: 'messaging.client.operation.duration',
  /** Histogram, s: one event in its handler, its transaction included. */
  processDuration: 'messaging.process.duration',
  /** Gauge: positions passed that were not visible and may still be filled. */
  outboxGaps: 'bus.outbox.gaps',
  /** Gauge: daily partitions of an outbox, the default one not counted. */
  outboxPartitions: 'bus.outbox.partitions',
  /** Gauge, s: since the oldest partition of an outbox began. */
  outboxOldestPartitionAge: 'bus.outbox.oldest_partition_age',
  /** Gauge, by reason: partitions of an outbox that are past their window and cannot be dropped. */
  outboxPruneBlocked: 'bus.outbox.prune_blocked',
  /** The same of an inbox. */
  inboxPartitions: 'bus.inbox.partitions',
  inboxOldestPartitionAge: 'bus.inbox.oldest_partition_age',
  inboxPruneBlocked: 'bus.inbox.prune_blocked',
  /** Counter: events that came again after the inbox had forgotten them. */
  forgottenEvents: 'bus.consumer.forgotten',
  /** Gauge: 1 in the process that publishes an outbox, 0 in its standbys. */
  publisherActive: 'bus.publisher.active',
  /** Histogram: events per published batch. */
  publisherBatchSize: 'bus.publisher.batch_size',
  /** Histogram, s: from an event's insert until it is in its stream; the oldest event of each batch and stream. */
  publishDelay: 'bus.publisher.delay',
  /** Counter: events written again because a stream had lost them. */
  reconciledEvents: 'bus.publisher.reconciled',
  /** Counter, by reason: what a stream and its outbox lack of each other, and nobody can write again. */
  unrecoverable: 'bus.publisher.unrecoverable',
  /** Counter: batches that compare-and-append refused. */
  refusedBatches: 'bus.publisher.refused_batches',
  /** Histogram, s: from an event's occurrence until its handler's commit; live traffic only. */
  endToEndDelay: 'bus.consumer.delay',
  /** Histogram, s: from an event's entry into its stream until its handler's commit; live traffic only. */
  streamDelay: 'bus.consumer.stream_delay',
  /** Histogram: attempts that an event took until it was settled or given up. */
  attempts: 'bus.consumer.attempts',
  /** Histogram: events handled together. */
  consumerBatchSize: 'bus.consumer.batch_size',
  /** Counter: events that had been handled before and changed nothing. */
  duplicateEvents: 'bus.consumer.duplicates',
  /** Counter: failed attempts. */
  failedAttempts: 'bus.consumer.failed_attempts',
  /** Counter: entries taken over from a runner that no longer holds them. */
  claimedEntries: 'bus.consumer.claimed',
  /** Gauge: events held by a runner, in handlers or waiting in lanes. */
  heldEvents: 'bus.consumer.held',
  /** Gauge: 1 while the circuit of a runner is not closed. */
  circuitOpen: 'bus.consumer.circuit_open',
  /** Gauge: 1 while a runner starts nothing because its group is paused. */
  consumerPaused: 'bus.consumer.paused',
  /** Counter: events that were given up, by group and kind. */
  deadLettered: 'bus.dead_letters.moved',
  /** Counter: pending entries that stood in their stream no longer, and were acknowledged. */
  vanishedEntries: 'bus.dead_letters.vanished',
  /** Counter: copies of dead letters that Redis had lost, and that were written again. */
  restoredDeadLetters: 'bus.dead_letters.restored',
  /** Counter: events of history that were injected for a group. */
  replayedEvents: 'bus.replay.injected',
  /** Counter: replays that a process has worked on, by how that ended. */
  replaysEnded: 'bus.replay.ended',
  /** Histogram, s: one look through all pending lists. */
  dlqSweepDuration: 'bus.dead_letters.sweep_duration',
  /** Counter: entries that were written to the archive and verified. */
  archivedEntries: 'bus.archive.entries',
  /** Counter, By: the objects with them, compressed. */
  archivedBytes: 'bus.archive.size',
  /** Counter: these objects. */
  archivedObjects: 'bus.archive.objects',
  /** Counter: objects that were deleted because they are past their policy. */
  expiredObjects: 'bus.archive.expired_objects',
  /** Counter: entries that were trimmed from a stream. */
  trimmedEntries: 'bus.retention.trimmed',
  /** Counter: sweeps of a stream that failed, by the kind of error. */
  retentionErrors: 'bus.retention.errors',
  /** Histogram, s: one sweep of one stream. */
  retentionSweepDuration: 'bus.retention.sweep_duration',
  /** Gauge, s: age of the oldest entry of a stream that is not in the archive. */
  archiveLag: 'bus.archive.lag_seconds',
  /** Gauge, s: for how long a group has kept entries that would be trimmed otherwise; absent if it keeps none. */
  trimBlocked: 'bus.retention.blocked_seconds',
  /** Gauge: 1 while Redis uses more of its memory than the threshold. */
  memoryAlarm: 'bus.retention.memory_alarm',
  /** Gauge: connections of a pool, by state. */
  poolConnections: 'db.client.connection.count',
  /** Gauge: most connections that a pool opens. */
  poolMax: 'db.client.connection.max',
  /** Gauge: who waits for a connection of a pool. */
  poolWaiting: 'db.client.connection.pending_requests',
} as const;

/**
 * What the monitor of the whole bus publishes; names say their unit. The first ones are called as dashboards for
 * Redis Streams usually call them.
 */
export const monitorMetrics = {
  streamLength: 'redis.stream.length',
  streamUnreadable: 'redis.stream.unreadable',
  consumerLag: 'redis.consumer.lag',
  consumerLagUnknown: 'redis.consumer.lag_unknown',
  consumerLagSeconds: 'redis.consumer.lag_seconds',
  consumerPending: 'redis.consumer.pending',
  oldestPendingIdle: 'redis.consumer.oldest_pending_idle_seconds',
  consumersAlive: 'redis.consumer.consumers',
  groupMissing: 'redis.consumer.missing',
  memoryUsage: 'redis.memory.usage',
  memoryUsed: 'redis.memory.used_bytes',
  opsPerSecond: 'redis.ops_per_sec',
  replicationLag: 'redis.replication.lag',
  outboxPending: 'bus.outbox.pending',
  outboxOldestAge: 'bus.outbox.oldest_age_seconds',
  outboxParked: 'bus.outbox.parked',
  outboxGaps: 'bus.outbox.gaps',
  outboxOldestGapAge: 'bus.outbox.oldest_gap_age_seconds',
  outboxLed: 'bus.outbox.led',
  deadLetters: 'bus.dead_letters',
  redriving: 'bus.dead_letters.redriving',
  circuitOpen: 'bus.group.circuits_open',
  runnersAlive: 'bus.group.runners',
  groupPaused: 'bus.group.paused',
  replaysQueued: 'bus.replays.queued',
  replaysFailed: 'bus.replays.failed',
  archiveOverdue: 'bus.archive.overdue_seconds',
  trimBlocked: 'bus.retention.blocked_seconds',
  reachable: 'bus.monitor.reachable',
} as const;
