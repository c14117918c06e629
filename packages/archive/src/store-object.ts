import { compareEntryIds } from '@event-bus/transport';
import { describeObject } from './archived-object.ts';
import { DamagedObjectError, UnknownFormatError } from './errors.ts';
import type { ObjectDescription } from './format/description.ts';
import type { BuiltObject } from './format/object-builder.ts';
import { objectKey } from './layout/object-key.ts';
import { contentOf } from './store/content.ts';
import type { ArchiveStore, Content, Retention } from './store/store.ts';
import { verifyObject } from './verify-object.ts';

/** An object that the archive has now. */
export interface WrittenObject {
  readonly key: string;
  readonly description: ObjectDescription;
  readonly sizeBytes: number;
}

// Where the hash of an object stands in its key, and what is left of it.
const VARIANT_LENGTH = 12;

/**
 * Stores an object under the key of its range. If there is one already:
 *
 *     found under the key                       what is done
 *     the same bytes                            nothing
 *     the same entries, packed differently      nothing, or replaced if it reaches less far back or is damaged
 *     other entries of the same range           stays; this one goes beside it, its hash in its key
 *     damaged beyond telling what it was        the same, or replaced if the hash is in its key
 *
 * Two runs meet under a key with other entries if entries were deleted from the stream in between, or if Redis has lost
 * its newest entries and handed out their IDs again. Readers give out both.
 */
export async function storeObject(
  store: ArchiveStore,
  { description, chunks }: BuiltObject,
  retention: Retention | undefined,
): Promise<WrittenObject> {
  const content = contentOf(chunks);
  const variant = description.contentSha256.slice(0, VARIANT_LENGTH);
  for (const key of [objectKey(description), objectKey(description, variant)]) {
    const found = await settle(store, key, description, content, retention);
    if (found !== undefined) return { key, ...found };
  }
  const problem = `it holds other entries than the hash in its name says`;
  throw new DamagedObjectError(store.location, objectKey(description, variant), problem);
}

type Settled = Omit<WrittenObject, 'key'>;

/** Has the object stand under this key; undefined if another one stands there and has to stay. */
async function settle(
  store: ArchiveStore,
  key: string,
  description: ObjectDescription,
  content: Content,
  retention: Retention | undefined,
): Promise<Settled | undefined> {
  const options = { metadata: metadataOf(description), ...(retention === undefined ? {} : { retention }) };
  const settled = { description, sizeBytes: content.sizeBytes };
  if ((await store.put(key, content, options)) === 'stored') return settled;

  const present = await unlessDamaged(describeObject(store, key));
  const isNamedByHash = key !== objectKey(description);
  const isSame = present === undefined ? isNamedByHash : present.contentSha256 === description.contentSha256;
  if (!isSame) return undefined;
  const reachesBack = present !== undefined && compareEntryIds(present.after, description.after) <= 0;
  if (reachesBack && (await unlessDamaged(verifyObject(store, key))) !== undefined) {
    if (retention !== undefined) await (await store.capabilities()).objectLock?.retain(key, retention);
    const found = await store.head(key);
    return { description: present, sizeBytes: found?.sizeBytes ?? 0 };
  }
  await store.put(key, content, { ...options, replace: true });
  return settled;
}

/** For people who look at a bucket. Nobody goes by it: it is lost where objects are copied, and the seal is not. */
function metadataOf({ count, firstId, lastId, contentSha256 }: ObjectDescription): Record<string, string> {
  return {
    count: String(count),
    'first-id': firstId,
    'last-id': lastId,
    'content-sha256': contentSha256,
  };
}

async function unlessDamaged<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof DamagedObjectError || error instanceof UnknownFormatError) return undefined;
    throw error;
  }
}
