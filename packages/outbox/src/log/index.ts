export { DeposedError, OutboxInconsistentError } from '../errors.ts';
export {
  type LoggedEvent,
  type LogWindow,
  readLogBounds,
  readLoggedEvents,
  readLogWindow,
} from './accounting.ts';
export {
  batchesAbove,
  batchesBelow,
  batchesHolding,
  batchOf,
  countAbove,
  forgetBatch,
  isInLog,
  moveBatches,
  newestBatches,
  type PlacedBatch,
  type RecordedBatch,
  type RecordedPositions,
} from './batches.ts';
export { type EventBatch, type EventRecord, readBatchOf, readEvent } from './event.ts';
export {
  assertLeads,
  assertSource,
  type LeadState,
  outboxLocks,
  type StoredGap,
  takeLead,
  wakeupChannel,
} from './lead.ts';
export {
  type GapPage,
  type LogPage,
  type PageLimits,
  readGaps,
  readPage,
  readPositions,
  readSnapshot,
} from './pages.ts';
export {
  type AggregateName,
  findParkedAggregates,
  loadParkedAggregates,
  type ParkedAggregate,
  type RequestedRetry,
  requestedRetries,
} from './parked.ts';
export {
  type DefaultPruned,
  type DisposableBatches,
  defaultPartition,
  emptyPartition,
  explainPartition,
  forgetBatches,
  isLedBy,
  loadSettled,
  pruneDefaultPartition,
  readFloor,
  recordSettled,
  timeAgo,
} from './pruning.ts';
export { after, count, type Range, toMultirange, toRanges, without } from './ranges.ts';
export {
  countGone,
  type HeldBackAggregate,
  isParked,
  type RetryProgress,
  readHeldBack,
  readRetryProgress,
  requestRetry,
  requestSweep,
} from './retries.ts';
export type { LogRow } from './row.ts';
export { assertSequenceIsAhead } from './sequence.ts';
export { isOver, type Snapshot } from './snapshot.ts';
export {
  countLimit,
  type EventStatus,
  isLed,
  type OutboxOverview,
  type RowCount,
  readEventStatus,
  readOutboxOverview,
  readSource,
} from './status.ts';
export { type ParkedEvent, type Progress, recordProgress, type WrittenPart } from './store.ts';
