import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';

/** Reads a JSON document from a file, or from standard input. */
export async function readJson(file: string): Promise<unknown> {
  const json = file === '-' ? await readAll(process.stdin) : await readFile(file, 'utf8');
  return parseJson(json, file === '-' ? 'standard input' : file);
}

/**
 * Lets the operator change a JSON text in an editor, and calls `use` with what comes out. What `use` refuses is kept in
 * its file, so that the work is not lost.
 */
export async function editJson<Result>(text: string, use: (edited: unknown) => Result): Promise<Result> {
  const { VISUAL, EDITOR } = process.env;
  const editor = VISUAL || EDITOR || (process.stdin.isTTY ? 'vi' : undefined);
  if (editor === undefined)
    throw new Error('there is no terminal for an editor: give the payload with --payload <file>');
  const folder = await mkdtemp(join(tmpdir(), 'bus-edit-'));
  const file = join(folder, 'payload.json');
  await writeFile(file, pretty(text), { mode: 0o600 });
  await run(editor, file);
  try {
    const result = use(parseJson(await readFile(file, 'utf8'), file));
    await rm(folder, { recursive: true });
    return result;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${why}\nWhat you wrote is kept: --payload ${file}`, { cause: error });
  }
}

function run(editor: string, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // The variable may hold arguments, as in `code --wait`.
    const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (status) => {
      if (status === 0) resolve();
      else reject(new Error(`the editor ended with status ${status}; nothing was changed`));
    });
  });
}

function pretty(text: string): string {
  try {
    return `${JSON.stringify(JSON.parse(text), null, 2)}\n`;
  } catch {
    // It may have died of that.
    return text;
  }
}

function parseJson(json: string, name: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${name} is not JSON: ${reason}`, { cause: error });
  }
}
