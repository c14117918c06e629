import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineEvent } from '../define-event.ts';
import { defineTopic } from '../define-topic.ts';
import { platformCatalog } from '../platform-catalog.ts';
import { checkContracts } from './check-contracts.ts';
import { type EventSchema, stableJson, toEventSchema } from './json-schema.ts';
import { readPublishedSchemas, UnknownRevisionError } from './published-schemas.ts';
import { readSchemaFolder, schemaFolder, writeSchemaFolder } from './schema-folder.ts';

const topic = defineTopic('thing');
const schemaOf = (version: number, payload: z.ZodType): EventSchema =>
  toEventSchema(defineEvent(topic, 'thing.done', { version, payload }));
const v1 = schemaOf(1, z.object({ a: z.string() }));
const changedV1 = schemaOf(1, z.object({ a: z.number() }));
const extendedV1 = schemaOf(1, z.object({ a: z.string(), b: z.string().optional() }));
const v2 = schemaOf(2, z.object({ a: z.number() }));

describe('checkContracts', () => {
  test('has nothing to say if all agree', () => {
    expect(checkContracts({ published: [v1], folder: [v1], current: [v1] })).toEqual([]);
  });

  test('refuses an incompatible change even if the file was changed with it', () => {
    expect(checkContracts({ published: [v1], folder: [changedV1], current: [changedV1] })).toEqual([
      'thing.done v1: payload.a: type changed from "string" to "number" ' +
        '(leave version 1 as it was, define version 2 and add an upcast from 1)',
    ]);
  });

  test('accepts a new version beside the old one', () => {
    expect(checkContracts({ published: [v1], folder: [v1, v2], current: [v1, v2] })).toEqual([]);
  });

  test('asks for the export of a new definition and of a compatible change', () => {
    expect(checkContracts({ published: [v1], folder: [v1], current: [extendedV1, v2] })).toEqual([
      'thing.done v1: thing.done.v1.json is not what the code defines; run "npm run contracts" and commit what it writes',
      'thing.done v2: has no schema file; run "npm run contracts" and commit what it writes',
    ]);
  });

  test('refuses a definition that vanished, with its file or without', () => {
    expect(checkContracts({ published: [v1], folder: [], current: [] })).toEqual([
      'thing.done v1: payload: is published, but has no definition any more ' +
        '(put the definition back: stored events of it must stay readable)',
    ]);
    expect(checkContracts({ published: [], folder: [v1], current: [] })).toEqual([
      'thing.done v1: thing.done.v1.json has no definition; restore the definition',
    ]);
  });
});

describe('the schema folder', () => {
  let root: string;
  let folder: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'contracts-'));
    folder = join(root, 'schemas');
    mkdirSync(folder);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function git(...args: string[]): void {
    const identity = [
      '-c',
      'user.name=test',
      '-c',
      'user.email=test@example.org',
      '-c',
      'commit.gpgsign=false',
    ];
    // A hook's GIT_DIR would send these commands to the repository that runs the tests.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
    execFileSync('git', [...identity, ...args], { cwd: root, env, stdio: 'ignore' });
  }

  function commit(...schemas: EventSchema[]): void {
    writeSchemaFolder(folder, schemas);
    git('add', '-A');
    git('commit', '--no-verify', '-m', 'change');
  }

  test('reads back what was written, and loses what is no longer defined but nothing else', () => {
    writeFileSync(join(folder, 'README.md'), 'about these files');
    writeSchemaFolder(folder, [v1, v2]);
    writeSchemaFolder(folder, [v2]);

    expect(readSchemaFolder(folder)).toEqual([v2]);
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe('about these files');
  });

  test('writes the same text whatever the order of the keys', () => {
    expect(stableJson({ b: [{ d: 1, c: 2 }], a: null })).toBe(stableJson({ a: null, b: [{ c: 2, d: 1 }] }));
  });

  test('counts as published as it was committed last, or in the revision asked for', () => {
    git('init');
    commit(v1);
    git('tag', 'released');
    commit(v1, v2);
    writeSchemaFolder(folder, [changedV1]);

    expect(readPublishedSchemas(folder, undefined).schemas).toEqual([v1, v2]);
    expect(readPublishedSchemas(folder, 'released').schemas).toEqual([v1]);
  });

  test('counts as published as it is where nothing was committed', () => {
    writeSchemaFolder(folder, [v1]);
    const outside = readPublishedSchemas(folder, undefined);
    git('init');
    const unborn = readPublishedSchemas(folder, undefined);

    expect(outside).toEqual({ origin: 'the schema folder itself', schemas: [v1] });
    expect(unborn).toEqual(outside);
  });

  test('has nothing published in a revision from before the folder', () => {
    git('init');
    git('commit', '--no-verify', '--allow-empty', '-m', 'start');
    writeSchemaFolder(folder, [v1]);

    expect(readPublishedSchemas(folder, 'HEAD').schemas).toEqual([]);
  });

  test('is not read from a revision that does not exist', () => {
    git('init');
    commit(v1);

    expect(() => readPublishedSchemas(folder, 'no-such-branch')).toThrow(UnknownRevisionError);
    expect(() => readPublishedSchemas(folder, '--help')).toThrow(UnknownRevisionError);
  });

  test('of the platform holds what the code defines', () => {
    const current = platformCatalog.definitions.map(toEventSchema);

    expect(checkContracts({ published: [], folder: readSchemaFolder(schemaFolder), current })).toEqual([]);
  });
});
