/** An object as a list or a look at it shows it. */
export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** What is to be put: bytes of known length and SHA-256 (hex). */
export interface Content {
  readonly sizeBytes: number;
  readonly sha256: string;
  /** The bytes from their beginning, each time it is called: a conflict makes a store read them again. */
  open(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Until when nobody may delete an object. Whoever has the right can shorten `governance`, nobody `compliance`. */
export interface Retention {
  readonly mode: 'governance' | 'compliance';
  readonly until: Date;
}

/** How to put. */
export interface PutOptions {
  /** Takes the place of another content under the key. */
  readonly replace?: boolean;
  /** Locks the object from its first instant. Only where the store's capabilities have `objectLock`. */
  readonly retention?: Retention;
  /** What tools of the store show beside an object: short names and values in ASCII. Not every store keeps it. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Part of an object: from byte `start` up to, not including, byte `end`. */
export interface ByteRange {
  readonly start?: number;
  readonly end?: number;
}

/** The bytes of an object, or of a part of it. Whoever does not read them to the end must end the iteration. */
export interface ObjectContent {
  /** Of the whole object. */
  readonly sizeBytes: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Have the store delete by itself what lies under a prefix, so many days after it was put. */
export interface LifecycleRule {
  /** Names the rule among those of the same archive: letters, digits and `-`. */
  readonly id: string;
  readonly prefix: string;
  readonly days: number;
}

/** Rules that the store carries out by itself, some time within the day. */
export interface Lifecycle {
  /** The rules of this archive; those that others have set up for the same bucket are not among them. */
  rules(): Promise<readonly LifecycleRule[]>;
  /** Replaces the rules of this archive, and no other's. Also has uploads removed that nobody finished. */
  setRules(rules: readonly LifecycleRule[]): Promise<void>;
}

/** Locks of single objects. */
export interface ObjectLock {
  /** Locks an object, or extends its lock; one that lasts longer stays, whatever its mode. */
  retain(key: string, retention: Retention): Promise<void>;
  retention(key: string): Promise<Retention | null>;
}

/** What not every store can do; `null` where it cannot, or where its policy does not let this process ask. */
export interface StoreCapabilities {
  readonly lifecycle: Lifecycle | null;
  readonly objectLock: ObjectLock | null;
}

/**
 * Where an archive keeps its objects. An object appears whole or not at all, under any fault and any kill. Keys are
 * parts separated by `/`, none of them empty, `.` or `..`; no key is that of an object and a beginning of others too.
 * Every call may reject with a StoreUnavailableError (later
 * perhaps), a StoreRefusedError (not as it is set up) or a StoreClosedError.
 */
export interface ArchiveStore {
  /** For people: where the objects are. */
  readonly location: string;
  /**
   * Puts an object, unless other content is there already: then it stays, and the outcome is `occupied`. `stored`
   * means that the store has shown to hold exactly this content, by its own SHA-256 or by having been read
   * again, whoever put it: so a put whose outcome was not seen can be repeated.
   * @throws ContentMismatchError the bytes are not of the stated length and hash, or the store keeps others.
   */
  put(key: string, content: Content, options?: PutOptions): Promise<'stored' | 'occupied'>;
  head(key: string): Promise<ObjectInfo | null>;
  /**
   * The bytes of an object, in order. A connection that breaks is taken up where it broke.
   * @throws ObjectMissingError
   */
  get(key: string, range?: ByteRange): Promise<ObjectContent>;
  /** Objects whose key begins with `prefix` and lies behind `after`, in the order of their keys' UTF-8 bytes. */
  list(options: { readonly prefix: string; readonly after?: string }): AsyncIterable<ObjectInfo>;
  /** Deletes in this order; keys that are not there are fine. What an error leaves undone can be repeated. */
  delete(keys: readonly string[]): Promise<void>;
  /** Removes what puts before this instant have begun and never finished. Returns how many. */
  removeLeftovers(before: Date): Promise<number>;
  capabilities(): Promise<StoreCapabilities>;
  /** Answers when the store does. */
  ping(): Promise<void>;
  /** Idempotent; outstanding calls reject. */
  close(): Promise<void>;
}
