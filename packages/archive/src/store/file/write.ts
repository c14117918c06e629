import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StoreUnavailableError } from '../../errors.ts';
import { checked } from '../content.ts';
import type { Content } from '../store.ts';
import { codeOf } from './failures.ts';

/** Where files grow, on the same file system as the objects. No key begins with it. */
export const INCOMING = '.incoming';

const TRIES = 5;

/**
 * Writes the content beside the objects and flushes it to disk, then gives it its name in one step: with `link`, which
 * fails if there is a file of that name, or with `rename`, which replaces it. Says whether it is there now.
 */
export async function writeFile(
  root: string,
  key: string,
  content: Content,
  options: { readonly replace: boolean },
): Promise<boolean> {
  const target = join(root, key);
  const incoming = join(root, INCOMING, `${process.pid}-${randomUUID()}`);
  await makeFolder(root, dirname(incoming));
  try {
    await using file = await open(incoming, 'wx');
    for await (const chunk of checked(content, { location: root, key })) await file.writeFile(chunk);
    await file.sync();
    return await name(root, incoming, target, options.replace);
  } finally {
    await rm(incoming, { force: true });
  }
}

async function name(root: string, incoming: string, target: string, replace: boolean): Promise<boolean> {
  const folder = dirname(target);
  for (let tries = 1; tries <= TRIES; tries += 1) {
    await makeFolder(root, folder);
    try {
      await (replace ? rename : link)(incoming, target);
      await flushFolder(folder);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      // Whoever deleted the last object of the folder has taken the folder away in between.
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
  throw new StoreUnavailableError(`${folder} was removed ${TRIES} times while an object was written into it`);
}

/** Makes the folders between the root and this one, each on disk before the next. The root itself has to be there. */
async function makeFolder(root: string, folder: string): Promise<void> {
  if (folder === root) return;
  try {
    await mkdir(folder);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || dirname(folder) === root) throw error;
    await makeFolder(root, dirname(folder));
    return makeFolder(root, folder);
  }
  await flushFolder(dirname(folder));
}

/** A new name is on disk when its folder is. */
async function flushFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

/** Removes a file, and the folders above it that are empty then. */
export async function removeFile(root: string, key: string): Promise<void> {
  try {
    await unlink(join(root, key));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return;
  }
  for (let folder = dirname(join(root, key)); folder !== root; folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch (error) {
      if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(codeOf(error) ?? '')) return;
      throw error;
    }
  }
}

/** Removes files that were not given a name, and have not grown since this instant. */
export async function removeIncoming(root: string, before: Date): Promise<number> {
  let removed = 0;
  for (const entry of await readdir(join(root, INCOMING)).catch(noneIfMissing)) {
    const path = join(root, INCOMING, entry);
    const found = await stat(path).catch(noneIfMissing);
    if (Array.isArray(found) || found.mtime >= before) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  return removed;
}

function noneIfMissing(error: unknown): [] {
  if (codeOf(error) === 'ENOENT') return [];
  throw error;
}
