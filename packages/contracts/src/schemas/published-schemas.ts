import { execFileSync } from 'node:child_process';
import type { EventSchema } from './json-schema.ts';
import { parseSchemaFile, readSchemaFolder } from './schema-folder.ts';

/** A revision that was asked for does not exist here. */
export class UnknownRevisionError extends Error {
  override readonly name = 'UnknownRevisionError';
  readonly code = 'unknown_revision';
  readonly revision: string;

  constructor(revision: string, options: { readonly cause: unknown }) {
    super(
      `git knows no commit "${revision}" here; fetch it first (a shallow clone has only the newest)`,
      options,
    );
    this.revision = revision;
  }
}

/** Schemas as deployed programs know them, and where they were found. */
export interface PublishedSchemas {
  readonly origin: string;
  readonly schemas: readonly EventSchema[];
}

/**
 * Reads the published schemas: those of `revision` if given, else those committed last, else (outside a git checkout,
 * or before the first commit of the folder) those in the folder itself, which can only show what is not exported yet.
 * @throws UnknownRevisionError
 */
export function readPublishedSchemas(folder: string, revision: string | undefined): PublishedSchemas {
  if (revision !== undefined) return readRevision(folder, resolveRevision(folder, revision));
  const fromFolder = { origin: 'the schema folder itself', schemas: readSchemaFolder(folder) };
  let head: string;
  try {
    head = resolveRevision(folder, 'HEAD');
  } catch (error) {
    if (error instanceof UnknownRevisionError) return fromFolder;
    throw error;
  }
  const committed = readRevision(folder, head);
  return committed.schemas.length > 0 ? committed : fromFolder;
}

function resolveRevision(folder: string, revision: string): string {
  try {
    return git(folder, [
      'rev-parse',
      '--verify',
      '--quiet',
      '--end-of-options',
      `${revision}^{commit}`,
    ]).trim();
  } catch (cause) {
    throw new UnknownRevisionError(revision, { cause });
  }
}

function readRevision(folder: string, commit: string): PublishedSchemas {
  const names = git(folder, ['ls-tree', '-z', '--name-only', commit]).split('\0');
  const schemas = names.flatMap((name) =>
    parseSchemaFile(name, () => git(folder, ['show', `${commit}:./${name}`])),
  );
  return { origin: `commit ${commit.slice(0, 12)}`, schemas };
}

function git(folder: string, args: readonly string[]): string {
  // Within a hook git sets variables that would make it look elsewhere than in the folder.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
  return execFileSync('git', [...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
