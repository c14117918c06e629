import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../packages/config/src/index.ts';

type Config = Parameters<typeof loadConfig>[0];

const root = join(import.meta.dirname, '..');

const example = [
  ...readFileSync(join(root, '.env.example'), 'utf8').matchAll(/^(#?)([A-Z][A-Z0-9_]+)=(.*)$/gm),
].map(([, mark, name = '', value = '']) => ({ name, value, isRequired: mark === '' }));
const stated = Object.fromEntries(example.map(({ name, value }) => [name, value]));
const required = Object.fromEntries(
  example.filter(({ isRequired }) => isRequired).map(({ name, value }) => [name, value]),
);

const configs = await Promise.all(
  globSync('services/*/src/config.ts', { cwd: root }).map(async (path) => {
    const module = (await import(join(root, path))) as { readonly config: Config };
    return { path, config: module.config };
  }),
);

test('.env.example lists exactly the variables that the services read', () => {
  expect(configs.length).toBeGreaterThan(1);
  const read = new Set(configs.flatMap(({ config }) => Object.keys(config.shape)));

  expect(example.map(({ name }) => name).toSorted()).toEqual([...read].toSorted());
});

test.each(configs)('.env.example states the defaults of $path', ({ config }) => {
  const fromDefaults = loadConfig(config, required);
  const fromExample = loadConfig(config, stated);

  expect(fromExample).toEqual(fromDefaults);
});
