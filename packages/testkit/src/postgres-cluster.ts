import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';

/** PostgreSQL did not come up; the message carries what it printed. */
export class PostgresStartError extends Error {
  readonly code = 'postgres_start_failed';
}

const START_PATIENCE_MS = 60_000;
const POLL_MS = 5;

// Nothing of the environment: a PGPORT or PGDATA in it would be obeyed.
const ENVIRONMENT = { PATH: process.env.PATH, LC_ALL: 'C' };

/** Makes a new data folder, with the superuser `postgres` and nothing to log in with; one that exists is left alone. */
export async function initialise({ folder, identity }: PostgresBinaries, dataDir: string): Promise<void> {
  if (existsSync(join(dataDir, 'PG_VERSION'))) return;
  mkdirSync(dataDir, { recursive: true });
  if (identity !== undefined) chownSync(dataDir, identity.uid, identity.gid);
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  const args = ['-D', dataDir, '-U', 'postgres', '--auth=trust', '--no-sync', '--no-instructions', ...locale];
  try {
    await promisify(execFile)(join(folder, 'bin', 'initdb'), args, {
      ...identity,
      cwd: '/',
      env: ENVIRONMENT,
    });
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new PostgresStartError(`initdb could not make a data folder in ${dataDir}: ${said}`, { cause });
  }
}

/** The server says that it is ready in the eighth line of this file; the first is its process ID. */
async function isReady(dataDir: string, pid: number): Promise<boolean> {
  const lines = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').then(
    (text) => text.split('\n'),
    () => [],
  );
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}

/** Starts the server on a data folder and waits until it accepts connections. */
export async function launch(
  { folder, identity }: PostgresBinaries,
  dataDir: string,
  settings: Readonly<Record<string, string>>,
): Promise<ManagedProcess> {
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = await startProcess(join(folder, 'bin', 'postgres'), ['-D', dataDir, ...flags], {
    ...identity,
    cwd: '/',
    env: ENVIRONMENT,
  });
  const deadline = performance.now() + START_PATIENCE_MS;
  while (!(await isReady(dataDir, server.pid))) {
    if (server.hasExited() || performance.now() > deadline) {
      await server.end('SIGKILL');
      throw new PostgresStartError(`PostgreSQL did not start. It printed:\n${server.output()}`);
    }
    await delay(POLL_MS);
  }
  return server;
}
