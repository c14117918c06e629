import { open, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  ContentMismatchError,
  ObjectMissingError,
  StoreClosedError,
  StoreRefusedError,
} from '../../errors.ts';
import { isContent } from '../content.ts';
import { assertKey } from '../key.ts';
import type { ArchiveStore, ByteRange, Content, ObjectContent, ObjectInfo } from '../store.ts';
import { codeOf, toStoreError } from './failures.ts';
import { walk } from './walk.ts';
import { INCOMING, removeFile, removeIncoming, writeFile } from './write.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * A store in a folder: for one machine, or for a network file system with hard links. The folder has to be there: it is
 * not created, or an archive would grow in the place where a volume is not mounted.
 */
export function createFileStore(options: { readonly path: string }): ArchiveStore {
  const root = resolve(options.path);
  const location = `file://${root}`;
  let isClosed = false;

  function assertOpen(): void {
    if (isClosed) throw new StoreClosedError(`${location} was closed by this process`);
  }
  async function call<Result>(run: () => Promise<Result>): Promise<Result> {
    assertOpen();
    try {
      return await run();
    } catch (error) {
      throw await explained(error);
    }
  }
  async function explained(error: unknown): Promise<unknown> {
    const isRootThere =
      codeOf(error) !== 'ENOENT' ||
      (await stat(root).then(
        () => true,
        () => false,
      ));
    if (isRootThere) return toStoreError(location, error);
    return new StoreRefusedError(`${location} does not exist: create the folder, or correct ARCHIVE_URL`, {
      cause: error,
    });
  }
  function assertPlace(key: string): void {
    assertKey(key);
    if (key.split('/')[0] === INCOMING) throw new RangeError(`${key}: keys do not begin with ${INCOMING}`);
  }

  async function put(key: string, content: Content, replace: boolean): Promise<'stored' | 'occupied'> {
    const isWritten =
      (replace || (await head(key)) === null) && (await writeFile(root, key, content, { replace }));
    if (await holds(key, content)) return 'stored';
    if (!isWritten) return 'occupied';
    throw new ContentMismatchError(location, key, 'the file does not hold what was written to it');
  }
  async function holds(key: string, content: Content): Promise<boolean> {
    const found = await head(key);
    if (found?.sizeBytes !== content.sizeBytes) return false;
    return isContent(content, (await get(key)).body);
  }
  async function head(key: string): Promise<ObjectInfo | null> {
    try {
      const found = await stat(join(root, key));
      return found.isFile() ? { key, sizeBytes: found.size, modifiedAt: found.mtime } : null;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
      await stat(root);
      return null;
    }
  }
  async function get(
    key: string,
    { start = 0, end = Number.MAX_SAFE_INTEGER }: ByteRange = {},
  ): Promise<ObjectContent> {
    const found = await head(key);
    if (found === null) throw new ObjectMissingError(location, key);
    const last = Math.min(end, found.sizeBytes) - 1;
    // Opened when it is read: what is not read needs no closing.
    const read = async function* () {
      await using file = await open(join(root, key), 'r');
      yield* file.createReadStream({ start, end: last, highWaterMark: CHUNK_BYTES, autoClose: false });
    };
    return { sizeBytes: found.sizeBytes, body: guarded(last < start ? [] : read()) };
  }
  async function* guarded<Item>(items: Iterable<Item> | AsyncIterable<Item>): AsyncGenerator<Item> {
    assertOpen();
    try {
      for await (const item of items) {
        yield item;
        assertOpen();
      }
    } catch (error) {
      throw await explained(error);
    }
  }

  return {
    location,
    put: (key, content, { replace = false, retention } = {}) =>
      call(async () => {
        assertPlace(key);
        if (retention !== undefined)
          throw new StoreRefusedError(`${location} cannot lock objects: ${key} was not put`);
        return put(key, content, replace);
      }),
    head: (key) =>
      call(async () => {
        assertPlace(key);
        return head(key);
      }),
    get: (key, range) =>
      call(async () => {
        assertPlace(key);
        return get(key, range);
      }),
    list: ({ prefix, after = '' }) => guarded(walk(root, { prefix, after })),
    delete: (keys) =>
      call(async () => {
        keys.forEach(assertPlace);
        for (const key of keys) await removeFile(root, key);
      }),
    removeLeftovers: (before) => call(() => removeIncoming(root, before)),
    capabilities: () => call(async () => ({ lifecycle: null, objectLock: null })),
    ping: () => call(async () => void (await stat(root))),
    async close() {
      isClosed = true;
    },
  };
}
