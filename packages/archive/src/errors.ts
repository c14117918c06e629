import { issuedAt } from '@event-bus/transport';

/** Anything that a call on an archive can end in beside its result. */
export abstract class ArchiveError extends Error {
  abstract readonly code: string;
}

/**
 * The store does not answer, or not now (away, slow, throttling, a cut connection, a full disk). What was asked may
 * have been done. Trying again later can succeed.
 */
export class StoreUnavailableError extends ArchiveError {
  override readonly name = 'StoreUnavailableError';
  readonly code = 'store_unavailable';
}

/** The store will not do this as it is set up: no such bucket or folder, a missing right, wrong credentials. */
export class StoreRefusedError extends ArchiveError {
  override readonly name = 'StoreRefusedError';
  readonly code = 'store_refused';
}

/** The store was closed by its own process. */
export class StoreClosedError extends ArchiveError {
  override readonly name = 'StoreClosedError';
  readonly code = 'store_closed';
}

/** There is no object under this key. */
export class ObjectMissingError extends ArchiveError {
  override readonly name = 'ObjectMissingError';
  readonly code = 'object_missing';
  readonly key: string;

  constructor(location: string, key: string, options?: ErrorOptions) {
    super(`${location}: there is no object ${key}`, options);
    this.key = key;
  }
}

/** What was to be put is not what it was said to be, or the store keeps something else than it was given. */
export class ContentMismatchError extends ArchiveError {
  override readonly name = 'ContentMismatchError';
  readonly code = 'content_mismatch';
  readonly key: string;

  constructor(location: string, key: string, problem: string) {
    super(`${location}: ${key} was not stored: ${problem}`);
    this.key = key;
  }
}

/**
 * An object is not what was written: altered, cut short, or never an object of an archive. Nothing of it was handed
 * out. It has to be restored from a copy, or deleted; what is still in the stream is then archived again.
 */
export class DamagedObjectError extends ArchiveError {
  override readonly name = 'DamagedObjectError';
  readonly code = 'object_damaged';
  readonly key: string;
  readonly problem: string;

  constructor(location: string, key: string, problem: string, options?: ErrorOptions) {
    super(`${location}: the object ${key} is damaged: ${problem}`, options);
    this.key = key;
    this.problem = problem;
  }
}

/** An object was written by a later version of this program, in a format that this one does not know. */
export class UnknownFormatError extends ArchiveError {
  override readonly name = 'UnknownFormatError';
  readonly code = 'object_format_unknown';
  readonly key: string;

  constructor(location: string, key: string, schema: unknown) {
    super(
      `${location}: ${key} has the format ${String(schema)}, which this version cannot read: use a newer one`,
    );
    this.key = key;
  }
}

/**
 * Entries of a range are in no object, although there are objects before and behind it: one is missing.
 * `after` (exclusive) and `upTo` (inclusive) are entry IDs; `nextKey` is the object behind the gap.
 */
export class MissingObjectError extends ArchiveError {
  override readonly name = 'MissingObjectError';
  readonly code = 'archive_gap';
  readonly stream: string;
  readonly after: string;
  readonly upTo: string;
  readonly nextKey: string;

  constructor(location: string, gap: { stream: string; after: string; upTo: string; nextKey: string }) {
    super(
      `${location}: an object of ${gap.stream} is missing: nothing holds what came after ${gap.after} up to ${gap.upTo}, where ${gap.nextKey} begins`,
    );
    this.stream = gap.stream;
    this.after = gap.after;
    this.upTo = gap.upTo;
    this.nextKey = gap.nextKey;
  }
}

/**
 * Entries are wanted that are neither in the archive nor in the stream any more: they have expired, or were trimmed without
 * having been archived. `after` (exclusive) and `upTo` (inclusive) are entry IDs.
 */
export class HistoryGapError extends ArchiveError {
  override readonly name = 'HistoryGapError';
  readonly code = 'history_gap';
  readonly stream: string;
  readonly after: string;
  readonly upTo: string;

  constructor(stream: string, after: string, upTo: string) {
    const since = new Date(issuedAt(upTo)).toISOString();
    super(
      `${stream}: what came after ${after} up to ${upTo} (${since}) is neither in the archive nor in the stream: it has expired, or was trimmed without being archived`,
    );
    this.stream = stream;
    this.after = after;
    this.upTo = upTo;
  }
}

/** An entry cannot be archived where it stands: its ID is none, is out of order, or lies beyond the year 9999. */
export class UnarchivableEntryError extends ArchiveError {
  override readonly name = 'UnarchivableEntryError';
  readonly code = 'entry_unarchivable';
  readonly stream: string;
  readonly entryId: string;

  constructor(stream: string, entryId: string, problem: string) {
    super(`the entry ${entryId} of ${stream} cannot be archived: ${problem}`);
    this.stream = stream;
    this.entryId = entryId;
  }
}
