export { clockOf } from './clock.ts';
export type { PoolOptions } from './connection.ts';
export { createDatabase, createPool } from './connection.ts';
export {
  MigrationFailedError,
  SchemaMisplacedError,
  SchemaNewerError,
  SchemaOutdatedError,
  TopicPartitionsError,
  WindowsBrokenError,
} from './errors.ts';
export { type DatabaseExamination, examineDatabase } from './examine.ts';
export {
  type ControlOutcome,
  type ControlRequest,
  type GroupPause,
  loadPauses,
  pauseGroup,
  resumeGroup,
} from './group-control.ts';
export {
  beat,
  type GroupHealth,
  type GroupNews,
  type LiveRunner,
  leaveGroup,
  loadGroupHealth,
  loadLiveRunners,
  type RunnerBeat,
  runnerSilenceMs,
} from './group-runners.ts';
export { assertSchemaIsCurrent, migrate, migrationNames } from './migrate.ts';
export {
  type OperatorAction,
  operatorActions,
  recordAction,
  recordActionCount,
  recordActionEvents,
} from './operator-actions.ts';
export {
  type HistoryFilter,
  loadHistory,
  type PastAction,
  type PastActionEvent,
} from './operator-history.ts';
export { loadOutboxFloors, type OutboxFloor, recordOutboxFloor } from './outbox-floors.ts';
export {
  dropEmptyPartition,
  ensurePartitions,
  listPartitions,
  type Partition,
  unlessRefused,
  type WhyKept,
} from './partitions.ts';
export type { HandledEvents, RegisteredGroup, RegisteredTopic } from './registry.ts';
export {
  loadGroup,
  loadGroups,
  loadHandledEvents,
  loadTopics,
  registerGroup,
  registerTopics,
  registerUnknownTopics,
} from './registry.ts';
export {
  countReplays,
  type GroupReplays,
  loadReplay,
  loadReplays,
  type Replay,
  type ReplayEnd,
  type ReplayFilter,
  type ReplayProgress,
  type ReplayRange,
  type ReplayState,
  type ReplayStream,
} from './replays/replay.ts';
export {
  changeReplay,
  insertReplay,
  type NewReplay,
  openHistory,
  requestHistory,
} from './replays/request.ts';
export {
  claimReplay,
  endReplay,
  noteReplay,
  openReplays,
  type ReplayClaim,
  type ReplayNote,
} from './replays/work.ts';
export {
  type ArchivedMark,
  loadArchivedPositions,
  loadArchivedTo,
  loadRetention,
  loadRetentions,
  recordArchived,
  recordTrimmed,
  type SourceEvent,
  type SourceRetention,
  type StreamRetention,
} from './retention.ts';
export type { BusDatabase } from './schema.ts';
export { type PositionRange, type StartPosition, standsBefore } from './start-position.ts';
export {
  assertWindowsChain,
  type InboxWindow,
  loadWindows,
  type OutboxWindow,
  registerInboxWindows,
  registerOutboxWindow,
  type Windows,
} from './windows.ts';
