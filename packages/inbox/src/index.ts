export { type EventAccount, type InboxOutcome, readAccounts } from './accounts.ts';
export { findBlockers } from './dead-letters/blockers.ts';
export { type BroughtBack, bringBack } from './dead-letters/bring-back.ts';
export { clusterLetters, type LetterCluster } from './dead-letters/clusters.ts';
export {
  adoptCopies,
  type CopyCursor,
  type CopyKey,
  type DeadLetterRow,
  type FoundCopy,
  loadCopyKeys,
  loadDeadLetters,
  noteCopies,
} from './dead-letters/copies.ts';
export {
  discardLetters,
  loadUnforgotten,
  noteForgotten,
  type SettledLetter,
} from './dead-letters/discard.ts';
export { findEdits, type LetterEdit, replacePayload } from './dead-letters/edit.ts';
export { type GiveUpEnd, giveUp, giveUpAll } from './dead-letters/give-up.ts';
export { type Letter, type LetterAttempt, rememberedAttempts } from './dead-letters/letter.ts';
export {
  findLetters,
  type LetterPage,
  type LetterQuery,
  listLetters,
  pagesInOrder,
  readClock,
} from './dead-letters/look.ts';
export {
  countOpenLetters,
  countOpenLettersOfAll,
  type GroupLetters,
  type LetterPlace,
  type OpenLetters,
} from './dead-letters/open-letters.ts';
export {
  countLetters,
  type LetterCounts,
  type LetterPreview,
  previewLetters,
} from './dead-letters/preview.ts';
export type { LetterRecord } from './dead-letters/record.ts';
export { adoptRedriving, markRedriving } from './dead-letters/redrive.ts';
export {
  type FailedRedrive,
  type RedriveProgress,
  readFailed,
  readProgress,
  readWaitingGroups,
} from './dead-letters/redrive-progress.ts';
export {
  findFree,
  type InjectedLetter,
  type LetterKey,
  loadInjected,
  loadUninjected,
  noteInjected,
  noteLost,
  type RedrivingCursor,
  type RedrivingLetter,
  streamsRedriving,
} from './dead-letters/redriving.ts';
export { type ReleasedLetters, releaseHeld } from './dead-letters/release-held.ts';
export { reviveDead } from './dead-letters/revive.ts';
export type { FrozenSelection, LetterSelection, LetterState } from './dead-letters/selection.ts';
export { findSettled } from './find-settled.ts';
export {
  beginHandling,
  type InboxKey,
  type InboxRow,
  type Recorded,
  recordHandled,
  settleOutcome,
} from './handled.ts';
export { type InboxGroup, loadInboxGroups, registerInboxGroup } from './inbox-groups.ts';
export { ensureInboxPartitions } from './inbox-partitions.ts';
export {
  acquireLease,
  assertLease,
  type GrantedLease,
  type LeaseKey,
  leaseLostState,
  releaseLease,
  renewLease,
} from './leases.ts';
export { type EventOutcome, findOutcomes } from './outcomes.ts';
export type { AggregatePosition } from './positions.ts';
export {
  emptyInboxPartition,
  explainInboxPartition,
  loadInboxFloors,
  pruneDefaultInboxPartition,
  raiseInboxFloors,
} from './pruning.ts';
export { UnrecordableEventError } from './refusal.ts';
export { areSettled } from './settled.ts';
