import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../packages/database/src/testing.ts';

const root = join(import.meta.dirname, '..');
const pages = ['README.md', 'docs/getting-started.md', 'docs/consumers.md'];

interface Block {
  readonly page: string;
  readonly language: string;
  readonly code: string;
}

const blocks: readonly Block[] = pages.flatMap((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
    ([, language = '', code = '']) => ({ page, language, code }),
  ),
);
const of = (language: string) => blocks.filter((block) => block.language === language);

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterAll(() => database.close());

test('the TypeScript of the guides fits the types of the packages', () => {
  const folder = join(root, '.cache', 'docs-code');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const compilerOptions = {
    noEmit: true,
    allowImportingTsExtensions: true,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    // The guides' code stands in packages that declare these; here it stands in none.
    paths: {
      '@event-bus/*': ['../../packages/*/src/index.ts'],
      kysely: ['../../packages/database/node_modules/kysely/dist/index.d.ts'],
    },
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.base.json', compilerOptions, include: ['*.ts'] }),
  );
  const code = of('ts');
  for (const [index, block] of code.entries()) {
    writeFileSync(join(folder, `${block.page.replaceAll(/\W/g, '-')}-${index + 1}.ts`), block.code);
  }

  const { status, stdout } = spawnSync('tsc', ['-p', folder], { cwd: root, encoding: 'utf8' });

  expect(code.length).toBeGreaterThan(3);
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

test('the SQL of the guides runs as it stands there', async () => {
  for (const { code } of of('sql')) await database.pool.query(code);

  const { rows } = await database.pool.query<{ aggregate_id: string; status: string }>(
    'select aggregate_id, status from outbox_status order by position',
  );
  expect(rows).toEqual([
    { aggregate_id: 'u-1', status: 'pending' },
    { aggregate_id: 'u-2', status: 'pending' },
  ]);
});

test('the JSON of the guides is JSON', () => {
  expect(of('json').length).toBeGreaterThan(1);
  for (const { code } of of('json')) expect(() => void JSON.parse(code)).not.toThrow();
});
