export { describeObject } from './archived-object.ts';
export { type ArchiveLocation, archiveConfig } from './config.ts';
export { type Coverage, findCoverage } from './coverage.ts';
export {
  ArchiveError,
  ContentMismatchError,
  DamagedObjectError,
  HistoryGapError,
  MissingObjectError,
  ObjectMissingError,
  StoreClosedError,
  StoreRefusedError,
  StoreUnavailableError,
  UnarchivableEntryError,
  UnknownFormatError,
} from './errors.ts';
export { type Deleted, deleteExpired, type Expiry, listExpired, setExpiryRules } from './expire.ts';
export { type FoundEntry, findEvent } from './find-event.ts';
export { fromCloudEvent, toCloudEvent } from './format/cloud-event.ts';
export type { ObjectDescription } from './format/description.ts';
export { type IdRange, idsBetween } from './layout/entry-id.ts';
export { type ArchivedObject, listObjects, listStreams } from './list-objects.ts';
export { type ArchiveEnvironment, openArchiveStore } from './open-archive-store.ts';
export { probeStore } from './probe-store.ts';
export { type Reading, type ReadRange, readEntries } from './read-entries.ts';
export { type History, type HistoryRange, readHistory, readLeftEntries } from './read-history.ts';
export { createFileStore } from './store/file/index.ts';
export type {
  ArchiveStore,
  ByteRange,
  Content,
  Lifecycle,
  LifecycleRule,
  ObjectContent,
  ObjectInfo,
  ObjectLock,
  PutOptions,
  Retention,
  StoreCapabilities,
} from './store/store.ts';
export type { WrittenObject } from './store-object.ts';
export { verifyObject } from './verify-object.ts';
export { type WriteOptions, writeEntries } from './write-entries.ts';
