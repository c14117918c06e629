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
  /** Histogram, s: one call to the broker. */
  operationDuration: 'messaging.client.operation.duration',
  /** Histogram, s: one event in its handler, its transaction included. */
  processDuration: 'messaging.process.duration',
  /** Counter: events appended to an outbox. */
  appendedEvents: 'bus.outbox.appended',
  /** Gauge: positions passed that were not visible and may still be filled. */
  outboxGaps: 'bus.outbox.gaps',
  /** Gauge: 1 in the process that publishes an outbox, 0 in its standbys. */
  publisherActive: 'bus.publisher.active',
  /** Histogram: events per published batch. */
  publisherBatchSize: 'bus.publisher.batch_size',
  /** Histogram, s: from an event's insert until it is in its stream. */
  publishDelay: 'bus.publisher.delay',
  /** Counter: events written again because a stream had lost them. */
  reconciledEvents: 'bus.publisher.reconciled',
  /** Counter: batches that compare-and-append refused. */
  refusedBatches: 'bus.publisher.refused_batches',
  /** Histogram, s: from an event's occurrence until its handler's commit. */
  endToEndDelay: 'bus.consumer.delay',
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
} as const;

/**
 * What the monitor of the whole bus publishes; names say their unit. The first ones are called as dashboards for
 * Redis Streams usually call them.
 */
export const monitorMetrics = {
  streamLength: 'redis.stream.length',
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
} as const;
