import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Results } from '../bench/harness/results.ts';
import { createTemporaryFolder, spawnService } from '../packages/testkit/src/index.ts';

const entry = join(import.meta.dirname, '..', 'bench', 'main.ts');

test('a question of the bench is put to a real publisher, and its answer is on record', async () => {
  const folder = createTemporaryFolder('bench-smoke');
  const file = join(folder.path, 'results.json');
  const bench = await spawnService({ entry, args: ['storage', '--quick', '--no-goals', '--results', file] });
  try {
    expect(await bench.exited, bench.output()).toMatchObject({ code: 0 });

    const { answers } = JSON.parse(await readFile(file, 'utf8')) as Results;
    expect(answers.map(({ question }) => question)).toEqual(['storage']);
    const figures = answers[0]?.variants[0]?.figures;
    expect(figures).toContainEqual(expect.objectContaining({ name: 'Redis', unit: 'bytes/event' }));
    expect(figures).toContainEqual(expect.objectContaining({ name: 'outbox growth', median: 0 }));
  } finally {
    await bench.stop();
    await folder.remove();
  }
});
