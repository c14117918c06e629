import { createWriteStream } from 'node:fs';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type LetterRecord, toLetterLine } from '@event-bus/operations';

/** A file that letters are kept in. */
export interface LetterFile {
  /** Resolves when they are on the disk. */
  append(letters: readonly LetterRecord[]): Promise<void>;
  close(): Promise<void>;
}

const lineStart = '{"group":';

/**
 * Opens a file of letters, a new one or an earlier one to go on with. A line that a killed run left unfinished is cut off:
 * nothing was done to its letter.
 * @throws Error the file holds something else.
 */
export async function openLetterFile(path: string): Promise<LetterFile> {
  const file = await open(path, 'a+', 0o600);
  try {
    await assertLetters(file, path);
    await file.truncate(await endOfLastLine(file));
    await syncFolder(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    append: async (letters) => {
      await file.appendFile(linesOf(letters));
      await file.sync();
    },
    close: () => file.close(),
  };
}

async function assertLetters(file: FileHandle, path: string): Promise<void> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(lineStart.length), 0, lineStart.length, 0);
  if (lineStart.startsWith(buffer.toString('utf8', 0, bytesRead))) return;
  throw new Error(`${path} holds something else than dead letters: name another file`);
}

async function endOfLastLine(file: FileHandle): Promise<number> {
  const chunk = Buffer.alloc(64 * 1024);
  for (let end = (await file.stat()).size; end > 0; ) {
    const start = Math.max(0, end - chunk.length);
    await file.read(chunk, 0, end - start, start);
    const lineFeed = chunk.subarray(0, end - start).lastIndexOf('\n');
    if (lineFeed >= 0) return start + lineFeed + 1;
    end = start;
  }
  return 0;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  await folder.sync();
  await folder.close();
}

/**
 * Writes letters to a file that appears when it is whole, or to standard output. Returns how many.
 * @throws Error the file is there already.
 */
export async function writeLetters(
  pages: AsyncIterable<readonly LetterRecord[]>,
  path: string | undefined,
): Promise<number> {
  let count = 0;
  const text = async function* () {
    for await (const page of pages) {
      count += page.length;
      yield linesOf(page);
    }
  };
  if (path === undefined) {
    await pipeline(Readable.from(text()), process.stdout, { end: false });
    return count;
  }
  if (await stat(path).catch(() => undefined)) throw new Error(`${path} is there already: name another file`);
  const partial = `${path}.partial`;
  await pipeline(Readable.from(text()), createWriteStream(partial, { flush: true, mode: 0o600 }));
  await rename(partial, path);
  return count;
}

function linesOf(letters: readonly LetterRecord[]): string {
  return letters.map((letter) => `${toLetterLine(letter)}\n`).join('');
}
