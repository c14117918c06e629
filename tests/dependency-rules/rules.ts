import { posix } from 'node:path';
import { readSyntax } from './syntax.ts';
import type { PackageManifest, SourceFile, Workspace } from './workspace.ts';

const SCOPE = '@event-bus/';
const NAMES = '@event-bus/telemetry/names';
const TESTKIT = '@event-bus/testkit';

/** A package may import those before it in this list. */
const ORDER = [
  'config',
  'contracts',
  'transport',
  'telemetry',
  'database',
  'outbox',
  'publisher',
  'inbox',
  'archive',
  'consumer',
  'operations',
  'service',
  'cli',
].map((name) => `${SCOPE}${name}`);

/** These import nothing of the workspace but the names of telemetry. */
const LEAVES = [...['config', 'contracts', 'transport'].map((name) => `${SCOPE}${name}`), TESTKIT];

const TABLES = [
  { pattern: /\boutbox_[a-z_]+/g, owners: ['packages/outbox', 'packages/database'] },
  { pattern: /\binbox_[a-z_]+/g, owners: ['packages/inbox', 'packages/database'] },
];
/** Clients of servers, and who may speak to these outside of tests. */
const CLIENTS = [
  { client: 'ioredis', server: 'Redis', owners: ['packages/transport', 'packages/testkit'] },
  { client: '@aws-sdk/client-s3', server: 'S3', owners: ['packages/archive'] },
];

/** Why a package or service may not import another package; undefined if it may. */
function refusal(importer: PackageManifest, imported: string, inTests: boolean): string | undefined {
  const name = imported.split('/').slice(0, 2).join('/');
  if (!name.startsWith(SCOPE) || name === importer.name || imported === NAMES) return undefined;
  const said = `${importer.name} may not import ${imported}`;
  if (name === TESTKIT) return inTests ? undefined : `${said}: it is for tests only`;
  if (!ORDER.includes(name))
    return `${said}: services, and what is not in the order of packages, are imported by nobody`;
  if (LEAVES.includes(importer.name)) return `${said}: it imports no package of the workspace but ${NAMES}`;
  if (importer.folder.startsWith('services/')) return undefined;
  if (ORDER.indexOf(name) < ORDER.indexOf(importer.name)) return undefined;
  return `${said}: dependencies point upwards in the order ${ORDER.map((entry) => entry.slice(SCOPE.length)).join(', ')}`;
}

function isForTests(path: string): boolean {
  return /\.test\.ts$|\/testing\.ts$|\/testing\/|\/conformance\//.test(path);
}

function* violationsOfManifest(manifest: PackageManifest): Iterable<string> {
  const path = `${manifest.folder}/package.json`;
  const listed = [...ORDER, TESTKIT].includes(manifest.name) || manifest.folder.startsWith('services/');
  if (!listed) yield `${path}: ${manifest.name} has no place in the order of packages: give it one`;
  for (const [names, inTests] of [
    [manifest.dependencies, false],
    [manifest.devDependencies, true],
  ] as const) {
    for (const name of names) {
      // Which part of telemetry is imported is seen in the sources.
      const why = name === `${SCOPE}telemetry` ? undefined : refusal(manifest, name, inTests);
      if (why !== undefined) yield `${path}: ${why}`;
    }
  }
  for (const { client, server, owners } of CLIENTS) {
    if (manifest.dependencies.includes(client) && !owners.includes(manifest.folder)) {
      yield `${path}: only ${owners.join(' and ')} may speak to ${server} and depend on ${client}`;
    }
  }
}

function* violationsOfFile({ path, text }: SourceFile, owner: PackageManifest): Iterable<string> {
  const { imports, strings } = readSyntax(text);
  const inTests = isForTests(path);
  for (const imported of imports) {
    const why = refusal(owner, imported, inTests);
    if (why !== undefined) yield `${path}: ${why}`;
    if (
      imported.startsWith('.') &&
      !posix.join(posix.dirname(path), imported).startsWith(`${owner.folder}/`)
    ) {
      yield `${path}: another package is imported by its name, not by its path (${imported})`;
    }
    if (/^vitest(\/|$)/.test(imported) && !inTests && owner.name !== TESTKIT)
      yield `${path}: vitest is for tests only`;
    for (const { client, server, owners } of CLIENTS) {
      if (imported === client && !inTests && !owners.includes(owner.folder)) {
        yield `${path}: only ${owners.join(' and ')} may speak to ${server} and import ${client}`;
      }
    }
  }
  if (inTests) return;
  for (const { pattern, owners } of TABLES) {
    if (owners.includes(owner.folder)) continue;
    for (const table of strings.flatMap((string) => string.match(pattern) ?? [])) {
      yield `${path}: names ${table}, and only ${owners.join(' and ')} speak SQL to the tables of that prefix`;
    }
  }
}

/** Every breach of the rules, with the file and the rule; none twice. */
export function findViolations({ packages, files }: Workspace): readonly string[] {
  const found = packages.flatMap((manifest) => [
    ...violationsOfManifest(manifest),
    ...files
      .filter(({ path }) => path.startsWith(`${manifest.folder}/`))
      .flatMap((file) => [...violationsOfFile(file, manifest)]),
  ]);
  return [...new Set(found)];
}
