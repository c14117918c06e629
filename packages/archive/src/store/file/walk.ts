import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { compareKeys } from '../key.ts';
import type { ObjectInfo } from '../store.ts';
import { codeOf } from './failures.ts';
import { INCOMING } from './write.ts';

/**
 * Walks the files below `root` in the order of their keys, and reads only the folders in which there can be a key that
 * begins with `prefix` and lies behind `after`.
 */
export async function* walk(
  root: string,
  options: { readonly prefix: string; readonly after: string },
  folder = '',
): AsyncGenerator<ObjectInfo> {
  for (const path of await entriesOf(root, folder)) {
    const isFolder = path.endsWith('/');
    if (isFolder ? mayHold(path, options) : isWanted(path, options)) {
      if (isFolder) yield* walk(root, options, path);
      else yield* lookAt(root, path);
    }
  }
}

/** Files, and folders with a slash at their end: so they sort among each other as the keys they are part of. */
async function entriesOf(root: string, folder: string): Promise<string[]> {
  try {
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    return entries
      .filter(({ name }) => folder !== '' || name !== INCOMING)
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .toSorted(compareKeys);
  } catch (error) {
    // It has become empty and was removed; that of the archive itself has to be there.
    if (folder !== '' && codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function isWanted(
  key: string,
  { prefix, after }: { readonly prefix: string; readonly after: string },
): boolean {
  return key.startsWith(prefix) && compareKeys(key, after) > 0;
}

function mayHold(
  folder: string,
  { prefix, after }: { readonly prefix: string; readonly after: string },
): boolean {
  const isOnTheWay = folder.startsWith(prefix) || prefix.startsWith(folder);
  return isOnTheWay && (after.startsWith(folder) || compareKeys(folder, after) > 0);
}

async function* lookAt(root: string, key: string): AsyncGenerator<ObjectInfo> {
  try {
    const { size, mtime } = await stat(join(root, key));
    yield { key, sizeBytes: size, modifiedAt: mtime };
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
