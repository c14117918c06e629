export type { DeadLetterDetails, EntryField, EntryValues, StreamEntry } from './entry.ts';
export { ENTRY_FIELDS, namedFields } from './entry.ts';
export { compareEntryIds, issuedAt } from './entry-id.ts';
export {
  CommandRejectedError,
  GroupMissingError,
  ServerRefusedError,
  TransportClosedError,
  TransportError,
  UnknownOutcomeError,
} from './errors.ts';
export { derivedKeys, HANDED_BACK, placeKey, streamKey, streamKeys } from './keys.ts';
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
  GroupReader,
  GroupRef,
  GroupStatus,
  Injection,
  PendingEntry,
  ReplayHolder,
  ReplayOutcome,
  ReplayPart,
  ServerFigures,
  StreamObserver,
  StreamStatus,
  StreamWriter,
  WriterMark,
  WriterState,
} from './transport.ts';
