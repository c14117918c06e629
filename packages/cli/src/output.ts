import { once } from 'node:events';

/** Writes a line, or several, for people or scripts. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes what is not the command's result: errors, hints, progress. */
export function printError(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes a value for scripts. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Writes values as one JSON array for scripts, each as it comes: there may be more than fit into memory. */
export async function printJsonItems(items: AsyncIterable<unknown>): Promise<void> {
  let isFirst = true;
  for await (const item of items) {
    await write(`${isFirst ? '[' : ','}\n${JSON.stringify(item, null, 2).replace(/^/gm, '  ')}`);
    isFirst = false;
  }
  await write(isFirst ? '[]\n' : '\n]\n');
}

async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** Tells how far something is, on standard error. */
export interface ProgressLine {
  show(text: string): void;
  /** Takes the line away, where it can be. */
  clear(): void;
}

const plainEveryMs = 5_000;

/** On a terminal one line that changes; otherwise a line now and then, if it says something new. */
export function createProgressLine(): ProgressLine {
  const { isTTY } = process.stderr;
  let shown = '';
  let shownAt = performance.now();
  return {
    show(text) {
      if (text === shown || (!isTTY && performance.now() - shownAt < plainEveryMs)) return;
      shown = text;
      shownAt = performance.now();
      process.stderr.write(isTTY ? `\r\u001b[2K${text}` : `${text}\n`);
    },
    clear() {
      if (isTTY && shown !== '') process.stderr.write('\r\u001b[2K');
    },
  };
}
