export { addableFields } from './batch.ts';
export type { DeadLetterDetails, EntryField, EntryValues, StreamEntry } from './entry.ts';
export { DEAD_LETTER_FIELDS, ENTRY_FIELDS, namedFields } from './entry.ts';
export { compareEntryIds, idAfter, issuedAt } from './entry-id.ts';
export {
  CommandRejectedError,
  GroupMissingError,
  ServerRefusedError,
  TransportClosedError,
  TransportError,
  UnknownOutcomeError,
} from './errors.ts';
export { derivedKeys, formerStreamKeys, HANDED_BACK, placeKey, streamKey, streamKeys } from './keys.ts';
export type {
  AppendResult,
  ClaimPage,
  DeadLetterCopy,
  Delivery,
  EntryMover,
  EntryName,
  EventTransport,
  Expectation,
  FailedAttempt,
  FailureRecord,
  GroupPosition,
  GroupReader,
  GroupRef,
  GroupStatus,
  Injection,
  LastOfSources,
  OddKey,
  PendingEntry,
  ReplayHolder,
  ReplayOutcome,
  ReplayPart,
  ServerFigures,
  StreamObserver,
  StreamStatus,
  StreamTrimmer,
  StreamWriter,
  TrimBounds,
  TrimResult,
  WriterMark,
  WriterState,
} from './transport.ts';
export { oldestUnsettled, type Unsettled } from './unsettled.ts';
