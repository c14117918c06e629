export type { ControlOutcome, GroupPause, HistoryFilter, PastAction } from '@event-bus/database';
export {
  clusterLetters,
  findEdits,
  findLetters,
  type LetterCluster,
  type LetterRecord,
  type LetterSelection,
  type LetterState,
  listLetters,
  type RedriveProgress,
} from '@event-bus/inbox';
export {
  type HeldBackAggregate,
  type OutboxOverview,
  type RowCount,
  readEventStatus as eventStatus,
  readHeldBack as parkedEvents,
  readOutboxOverview as outboxStatus,
} from '@event-bus/outbox/log';
export { type AuditRequest, audit } from './audit/audit.ts';
export type { AuditServers } from './audit/examine.ts';
export { type AuditFault, type AuditReport, type GroupAccount, isProven } from './audit/report.ts';
export type { EventState } from './audit/states.ts';
export { assertInboxGroup } from './dead-letters/assert-inbox-group.ts';
export { discardDeadLetters } from './dead-letters/discard.ts';
export { checkPayload, findLetterToEdit, isSamePayload, redriveEdited } from './dead-letters/edit.ts';
export { exportLetters } from './dead-letters/export.ts';
export { fingerprint } from './dead-letters/fingerprint.ts';
export { checkLetters, type ImportReport, importLetters } from './dead-letters/import.ts';
export { injectRedriving } from './dead-letters/inject.ts';
export { toLetterLine } from './dead-letters/letter-line.ts';
export { type ChangePreview, previewDiscard, previewRedrive } from './dead-letters/preview.ts';
export { redriveDeadLetters } from './dead-letters/redrive.ts';
export type { RedriveReport } from './dead-letters/redrive-report.ts';
export type { FollowOptions } from './dead-letters/redrive-request.ts';
export { type Deployment, examine } from './doctor/doctor.ts';
export type { Finding } from './doctor/finding.ts';
export { NotParkedError, UnchangedPayloadError, UnknownGroupError, UnknownTopicError } from './errors.ts';
export { type EventLife, type EventPlace, readEventLife } from './event-life/event-life.ts';
export type { GroupProgress } from './event-life/group-progress.ts';
export { type FollowedEntry, followStreams } from './follow.ts';
export { controlGroup } from './group-control.ts';
export { type GroupConsumer, type GroupView, listGroups, type OpenCircuit } from './groups.ts';
export { readHistory } from './history.ts';
export { readNewEvent } from './new-event.ts';
export type { OutboxPool } from './outbox-pool.ts';
export {
  listPending,
  type PendingFailure,
  type PendingState,
  pendingStates,
  type WaitingEntry,
} from './pending.ts';
export {
  type ReconcileOptions,
  type ReconcileReport,
  reconcile,
  type StreamSurvey,
  surveyStreams,
} from './reconcile.ts';
export { cancelReplay, pauseReplay, type ReplayOrder, resumeReplay } from './replays/control.ts';
export {
  EmptyReplayError,
  FormerHistoryError,
  HistoryExpiredError,
  ReplayStateError,
  TopicNotReadError,
  UnknownReplayError,
} from './replays/errors.ts';
export { isWanted } from './replays/filter.ts';
export { findReplayObstacle, type ReplayObstacle } from './replays/obstacle.ts';
export { replayPercent } from './replays/percent.ts';
export { previewReplay, type ReplayCount, toleranceOf } from './replays/preview.ts';
export type { ReplayBound, ReplayBounds } from './replays/range.ts';
export { planReplay, type ReplayPlan, type ReplayWish, requestReplay } from './replays/request.ts';
export { retentionConfig } from './retention/overrides.ts';
export {
  createPolicies,
  type PolicyOf,
  type RetentionOverrides,
  undefinedTopics,
} from './retention/policy.ts';
export { type RetentionParts, type RetentionView, retentionStatus } from './retention/status.ts';
export { type TrimTerm, trimTerms } from './retention/terms.ts';
export { type HotWindow, hotWindow } from './retention/window.ts';
export { type LogPartitions, type RetentionWindows, retentionWindows } from './retention-windows.ts';
export { type RetryOutcome, requestRetry } from './retry.ts';
export { listStreams, type StreamView, type StreamWriterView } from './streams.ts';
export {
  formerStreams,
  readersOf,
  registeredStreams,
  retainedStreams,
  streamsOfGroup,
  streamsOfTopics,
} from './topology.ts';
export { StreamUnreadableError, type Views } from './unreadable.ts';
export { waitForEvent } from './wait-for-event.ts';
