import { compareEntryIds, type StreamEntry } from '@event-bus/transport';
import { DamagedObjectError, UnknownFormatError } from './errors.ts';
import { fromCloudEvent } from './format/cloud-event.ts';
import { isKnown, type ObjectDescription, parseDescription } from './format/description.ts';
import { descriptionIn, headerBytes, isSealed, USUAL_HEADER_BYTES } from './format/gzip-frame.ts';
import { unpackLines } from './format/lines.ts';
import { type ParsedKey, parseKey } from './layout/object-key.ts';
import type { ArchiveStore, ByteRange } from './store/store.ts';

/** An object in memory, as it was written: its seal has been checked. */
export interface LoadedObject {
  readonly key: string;
  readonly location: string;
  readonly description: ObjectDescription;
  readonly bytes: Buffer;
}

/** An entry with the line that it was read from. */
export interface ArchivedLine {
  readonly entry: StreamEntry;
  readonly line: string;
}

const LOADS = 2;

/**
 * Reads what an object says of itself, from its first bytes. They are compared with the key; the rest of the object is
 * not looked at.
 * @throws ObjectMissingError, DamagedObjectError, UnknownFormatError
 */
export async function describeObject(store: ArchiveStore, key: string): Promise<ObjectDescription> {
  const beginning = await readPart(store, key, { end: USUAL_HEADER_BYTES });
  const length = headerBytes(beginning) ?? 0;
  const header = length <= beginning.length ? beginning : await readPart(store, key, { end: length });
  return readDescription(store.location, key, header);
}

/**
 * Loads an object whole and checks its seal, before anything of it is used. What does not fit is loaded once more: it may
 * have been altered on its way, or replaced meanwhile.
 * @throws ObjectMissingError, DamagedObjectError, UnknownFormatError
 */
export async function loadObject(store: ArchiveStore, key: string): Promise<LoadedObject> {
  const { location } = store;
  for (let loads = 1; ; loads += 1) {
    const bytes = await readPart(store, key, {});
    if (isSealed(bytes)) return { key, location, description: readDescription(location, key, bytes), bytes };
    if (loads < LOADS) continue;
    const isObject = headerBytes(bytes) !== undefined;
    throw new DamagedObjectError(
      location,
      key,
      isObject
        ? `its ${bytes.length} bytes do not have the SHA-256 that they were sealed with`
        : 'it is no object of an archive',
    );
  }
}

async function readPart(store: ArchiveStore, key: string, range: ByteRange): Promise<Buffer> {
  const { body } = await store.get(key, range);
  return Buffer.concat(await Array.fromAsync(body));
}

function readDescription(location: string, key: string, beginning: Buffer): ObjectDescription {
  const length = headerBytes(beginning);
  if (length === undefined) throw new DamagedObjectError(location, key, 'it is no object of an archive');
  const description = parseDescription(descriptionIn(beginning, length));
  if (typeof description === 'string') throw new DamagedObjectError(location, key, description);
  if (!isKnown(description)) throw new UnknownFormatError(location, key, description.schema);
  const expected = parseKey(key);
  if (expected === undefined || !isSameRange(expected, description)) {
    const { stream, firstId, lastId } = description;
    throw new DamagedObjectError(
      location,
      key,
      `it holds ${firstId} to ${lastId} of ${stream}, which is not its name`,
    );
  }
  return description;
}

function isSameRange(a: ParsedKey, b: ObjectDescription): boolean {
  return a.stream === b.stream && a.firstId === b.firstId && a.lastId === b.lastId;
}

/** The lines of an object, unpacked as they are read; at the end it is checked that there were as many as stated. */
export async function* linesOf({ key, location, description, bytes }: LoadedObject): AsyncGenerator<Buffer> {
  let count = 0;
  const lines = unpackLines(bytes);
  try {
    for (;;) {
      const next = await lines.next().catch((cause: unknown) => {
        throw new DamagedObjectError(location, key, `line ${count + 1} cannot be unpacked`, { cause });
      });
      if (next.done === true) break;
      count += 1;
      yield next.value;
    }
  } finally {
    await lines.return(undefined);
  }
  if (count !== description.count) {
    throw new DamagedObjectError(location, key, `it has ${count} entries instead of ${description.count}`);
  }
}

/** The entries of an object in order, each checked to be in its place. */
export async function* entriesOf(object: LoadedObject): AsyncGenerator<ArchivedLine> {
  const { key, location, description } = object;
  let number = 0;
  let last = '';
  for await (const bytes of linesOf(object)) {
    number += 1;
    const line = bytes.toString('utf8');
    const entry = entryOf(object, line, number);
    const isInPlace = number === 1 ? entry.id === description.firstId : compareEntryIds(entry.id, last) > 0;
    if (!isInPlace)
      throw new DamagedObjectError(location, key, `line ${number} has ${entry.id}, which is out of place`);
    last = entry.id;
    yield { entry, line };
  }
  if (last !== description.lastId) {
    throw new DamagedObjectError(location, key, `it ends with ${last} instead of ${description.lastId}`);
  }
}

/** The entry of one line of an object. */
export function entryOf({ key, location }: LoadedObject, line: string, number: number): StreamEntry {
  try {
    return fromCloudEvent(line);
  } catch (cause) {
    throw new DamagedObjectError(location, key, `line ${number} is no entry`, { cause });
  }
}
