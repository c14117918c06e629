import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker } from './broker.ts';

const installed = join(import.meta.dirname, '..', 'peers', 'node_modules');

/** Says what the versions of npm packages are that peers run. */
export function packages(...names: readonly string[]): () => Promise<readonly string[]> {
  return () => Promise.all(names.map(async (name) => `${name} ${await versionOf(name)}`));
}

/** Says what the versions of npm packages are and that of a broker, which is started to see whether it can be. */
export function packagesAndBroker(
  names: readonly string[],
  server: string,
  start: () => Promise<Broker>,
): () => Promise<readonly string[]> {
  return async () => {
    const versions = await packages(...names)();
    const broker = await start();
    await broker.stop();
    return [...versions, `${server} ${broker.version}`];
  };
}

async function versionOf(name: string): Promise<string> {
  const text = await readFile(join(installed, name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
