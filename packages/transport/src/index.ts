export type { EntryField, EntryValues, StreamEntry } from './entry.ts';
export { ENTRY_FIELDS, namedFields } from './entry.ts';
export {
  CommandRejectedError,
  GroupMissingError,
  ServerRefusedError,
  TransportClosedError,
  TransportError,
  UnknownOutcomeError,
} from './errors.ts';
export { derivedKeys, HANDED_BACK, streamKey, streamKeys } from './keys.ts';
export type {
  AppendResult,
  ClaimPage,
  Delivery,
  EventTransport,
  Expectation,
  FailureRecord,
  GroupReader,
  GroupRef,
  GroupStatus,
  StreamObserver,
  StreamStatus,
  StreamWriter,
  WriterMark,
  WriterState,
} from './transport.ts';
