import { createHash } from 'node:crypto';
import { entriesOf, loadObject } from './archived-object.ts';
import { DamagedObjectError } from './errors.ts';
import type { ObjectDescription } from './format/description.ts';
import type { ArchiveStore } from './store/store.ts';

/**
 * Reads an object and compares all that it holds with all that it says of itself and with its key: seal, entries and
 * their order, number, length and hash.
 * @throws ObjectMissingError, DamagedObjectError, UnknownFormatError
 */
export async function verifyObject(store: ArchiveStore, key: string): Promise<ObjectDescription> {
  const object = await loadObject(store, key);
  const { description } = object;
  const hash = createHash('sha256');
  let contentBytes = 0;
  for await (const { line } of entriesOf(object)) {
    const bytes = Buffer.from(`${line}\n`);
    hash.update(bytes);
    contentBytes += bytes.length;
  }
  if (contentBytes !== description.contentBytes || hash.digest('hex') !== description.contentSha256) {
    throw new DamagedObjectError(store.location, key, 'its lines are not those that it was made of');
  }
  return description;
}
