import { assertKey } from '../key.ts';
import type { ArchiveStore } from '../store.ts';
import { createConnection, type S3StoreOptions } from './connection.ts';
import { getObject, headObject } from './get.ts';
import { lifecycleOf } from './lifecycle.ts';
import { abortUploads, deleteObjects, listObjects } from './list.ts';
import { objectLockOf } from './object-lock.ts';
import { putObject } from './put.ts';

export type { S3StoreOptions } from './connection.ts';

/**
 * A store in a bucket of S3, or of a server that speaks like it: with conditional writes (`If-None-Match`), ranges, and
 * lists in the order of keys. Nothing connects before the first call.
 */
export function createS3Store(options: S3StoreOptions): ArchiveStore {
  const connection = createConnection(options);
  return {
    location: connection.location,
    async put(key, content, putOptions = {}) {
      assertKey(key);
      return putObject(connection, key, content, putOptions);
    },
    async head(key) {
      assertKey(key);
      const found = await headObject(connection, key);
      return found && { key, sizeBytes: found.sizeBytes, modifiedAt: found.modifiedAt };
    },
    async get(key, range) {
      assertKey(key);
      return getObject(connection, key, range);
    },
    list: (listOptions) => listObjects(connection, listOptions),
    async delete(keys) {
      keys.forEach(assertKey);
      await deleteObjects(connection, keys);
    },
    removeLeftovers: (before) => abortUploads(connection, before),
    async capabilities() {
      return { lifecycle: await lifecycleOf(connection), objectLock: await objectLockOf(connection) };
    },
    async ping() {
      // Not HEAD: its refusals say nothing.
      for await (const _ of listObjects(connection, { prefix: '', pageSize: 1 })) break;
    },
    async close() {
      connection.close();
    },
  };
}
