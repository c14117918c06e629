import { accessSync, chmodSync, constants, mkdtempSync, statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardFolder } from './guard.ts';

/** A folder that does not outlive this process, however the process ends. */
export interface TemporaryFolder {
  readonly path: string;
  remove(): Promise<void>;
}

const MEMORY = '/dev/shm';
const MEMORY_NEEDED_BYTES = 1024 ** 3;

/** Where folders in memory can be made; undefined where there is no such place, or too little of it. */
function memory(): string | undefined {
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= MEMORY_NEEDED_BYTES ? MEMORY : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Creates a new empty folder that every user may enter. With `inMemory` it lies in memory where that is possible:
 * files are several times faster there, but programs may not be allowed to run from it.
 */
export function createTemporaryFolder(
  purpose: string,
  options: { inMemory?: boolean } = {},
): TemporaryFolder {
  const base = (options.inMemory === true ? memory() : undefined) ?? tmpdir();
  const path = mkdtempSync(join(base, `event-bus-${purpose}-${process.pid}-`));
  const release = guardFolder(path);
  chmodSync(path, 0o755);
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
      release();
    },
  };
}
