import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Of an installed dependency folder, what tools write there while they run. */
const written = ['.vite', '.vite-temp', '.vitest-cache', '.cache'];

/**
 * Copies the workspace to a new temporary folder: its sources, and links to what is installed. Packages of the
 * workspace find each other in the copy, so that a change there is a change for all of them.
 */
export function copyWorkspace(root: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'event-bus-mutants-'));
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  for (const file of listed.split('\0').filter((name) => name !== '' && existsSync(join(root, name)))) {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    cpSync(join(root, file), join(path, file), { verbatimSymlinks: true });
  }
  mkdirSync(join(path, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules')).filter((entry) => !written.includes(entry))) {
    symlinkSync(join(root, 'node_modules', name), join(path, 'node_modules', name));
  }
  for (const folder of workspaceFolders(root)) copyLinks(join(root, folder), join(path, folder));
  // Where the bootstrap keeps a Redis server.
  if (existsSync(join(root, '.cache'))) symlinkSync(join(root, '.cache'), join(path, '.cache'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

function workspaceFolders(root: string): string[] {
  const nested = ['packages', 'services'].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(parent, name)),
  );
  return [...nested, 'bench', 'demo'];
}

/** The links are relative: in the copy they lead to the copy. */
function copyLinks(from: string, to: string): void {
  const installed = join(from, 'node_modules');
  if (!existsSync(installed) || !existsSync(to)) return;
  cpSync(installed, join(to, 'node_modules'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !written.some((name) => source === join(installed, name)),
  });
}
