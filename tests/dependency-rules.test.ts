import { expect, test } from 'vitest';
import { findViolations } from './dependency-rules/rules.ts';
import { readWorkspace, type SourceFile, type Workspace } from './dependency-rules/workspace.ts';

test('the workspace keeps its dependency rules', () => {
  const workspace = readWorkspace();
  expect(workspace.packages.length).toBeGreaterThan(10);

  expect(findViolations(workspace)).toEqual([]);
});

/** A workspace of one file in one package, which declares what it is said to declare. */
function workspaceOf(path: string, text: string, dependencies: readonly string[] = []): Workspace {
  const [kind, folder] = path.split('/');
  const file: SourceFile = { path, text };
  return {
    packages: [
      { folder: `${kind}/${folder}`, name: `@event-bus/${folder}`, dependencies, devDependencies: [] },
    ],
    files: [file],
  };
}

test.each([
  [
    'imports a package further down',
    'packages/outbox/src/a.ts',
    `import { x } from '@event-bus/consumer';`,
    'may not import',
  ],
  ['re-exports one', 'packages/inbox/src/a.ts', `export { x } from '@event-bus/cli';`, 'may not import'],
  [
    'imports its type',
    'packages/database/src/a.ts',
    `import type { X } from '@event-bus/outbox/store';`,
    'may not import',
  ],
  [
    'imports it dynamically',
    'packages/outbox/src/a.ts',
    `await import('@event-bus/service');`,
    'may not import',
  ],
  [
    'imports anything into a leaf',
    'packages/contracts/src/a.ts',
    `import { x } from '@event-bus/config';`,
    'may not import',
  ],
  [
    'reaches into another package',
    'packages/cli/src/a.ts',
    `import { x } from '../../outbox/src/b.ts';`,
    'by its path',
  ],
  [
    'imports a service into a service',
    'services/one/src/a.ts',
    `import x from '@event-bus/welcome-email';`,
    'services',
  ],
  [
    'imports a service into a package',
    'packages/consumer/src/a.ts',
    `import x from '@event-bus/user-directory';`,
    'services',
  ],
  ['imports the test kit', 'services/one/src/a.ts', `import { x } from '@event-bus/testkit';`, 'tests only'],
  ['imports vitest', 'packages/outbox/src/a.ts', `import { test } from 'vitest';`, 'tests only'],
  ['imports ioredis', 'packages/consumer/src/a.ts', `import { Redis } from 'ioredis';`, 'Redis'],
  [
    'imports the client of S3',
    'packages/cli/src/a.ts',
    `import { S3Client } from '@aws-sdk/client-s3';`,
    'S3',
  ],
  [
    'names a table of the outbox',
    'packages/cli/src/a.ts',
    `sql\`select 1 from outbox_events\``,
    'outbox_events',
  ],
  ['names a table of the inbox', 'packages/outbox/src/a.ts', `db.selectFrom('inbox_events')`, 'inbox_events'],
  [
    'names a table behind a template value',
    'services/one/src/a.ts',
    `sql\`select \${a} from inbox_events\``,
    'inbox_events',
  ],
])('a file that %s is reported', (_, path, text, rule) => {
  const violations = findViolations(workspaceOf(path, text));

  expect(violations).toHaveLength(1);
  expect(violations[0]).toContain(path);
  expect(violations[0]).toContain(rule);
});

test('a package that only declares a forbidden dependency is reported by its package.json', () => {
  const violations = findViolations(workspaceOf('packages/config/src/a.ts', '', ['@event-bus/outbox']));

  expect(violations).toEqual([
    'packages/config/package.json: @event-bus/config may not import @event-bus/outbox: it imports no package of the workspace but @event-bus/telemetry/names',
  ]);
});

test('what is said twice in one file is reported once', () => {
  const text = `import { x } from '@event-bus/consumer';\nimport type { Y } from '@event-bus/consumer';`;

  expect(findViolations(workspaceOf('packages/outbox/src/a.ts', text))).toHaveLength(1);
});

test.each([
  ['a package further up', 'packages/consumer/src/a.ts', `import { x } from '@event-bus/inbox';`],
  [
    'the names of telemetry in a leaf',
    'packages/transport/src/a.ts',
    `import { x } from '@event-bus/telemetry/names';`,
  ],
  ['the test kit in a test', 'packages/outbox/src/a.int.test.ts', `import { x } from '@event-bus/testkit';`],
  ['vitest in a fixture', 'packages/database/src/testing.ts', `import { test } from 'vitest';`],
  [
    'vitest in a conformance suite',
    'packages/transport/src/conformance/a.ts',
    `import { test } from 'vitest';`,
  ],
  ['a table that is its own', 'packages/inbox/src/a.ts', `db.selectFrom('inbox_events')`],
  [
    'a table in a comment',
    'packages/cli/src/a.ts',
    `// counts what is in outbox_events: it's cheap\nexport {};`,
  ],
  [
    'a name that only resembles a table',
    'packages/telemetry/src/names.ts',
    `export const x = ['bus.outbox.oldest_age', 'outbox-publisher'];`,
  ],
])('%s is allowed', (_, path, text) => {
  expect(findViolations(workspaceOf(path, text))).toEqual([]);
});
