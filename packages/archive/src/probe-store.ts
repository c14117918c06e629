import { randomUUID } from 'node:crypto';
import { ContentMismatchError } from './errors.ts';
import { contentOf, isContent } from './store/content.ts';
import type { ArchiveStore } from './store/store.ts';

/**
 * Writes a small object that no archive has, reads it, finds it in a list and deletes it: all that archiver and replayer do
 * to a store. Nothing of it stays.
 * @throws StoreUnavailableError, StoreRefusedError, ContentMismatchError
 */
export async function probeStore(store: ArchiveStore): Promise<void> {
  const key = `doctor/${randomUUID()}`;
  const content = contentOf([new TextEncoder().encode('written by `bus doctor`, which deletes it again\n')]);
  await store.put(key, content);
  try {
    const { body } = await store.get(key);
    if (!(await isContent(content, body)))
      throw new ContentMismatchError(store.location, key, 'what is read is not what was written');
    await Array.fromAsync(store.list({ prefix: 'doctor/' }));
  } finally {
    await store.delete([key]);
  }
}
