// `npm run stack`: a private PostgreSQL, migrated, and a private Redis, for services that are started by hand.
// It prints the environment they need and runs until Ctrl-C; its data is thrown away then.
import { once } from 'node:events';
import { join } from 'node:path';
import { spawnService, startPostgres, startRedis } from '../packages/testkit/src/index.ts';

const root = join(import.meta.dirname, '..');
const running: { stop(): Promise<unknown> }[] = [];

async function start(): Promise<Readonly<Record<string, string>>> {
  const postgres = await startPostgres();
  running.push(postgres);
  const redis = await startRedis();
  running.push(redis);
  const { url } = await postgres.createDatabase('event_bus');
  const environment = {
    DATABASE_URL: url,
    DATABASE_DIRECT_URL: url,
    BUS_DATABASE_URL: url,
    REDIS_URL: redis.url,
  };

  const entry = join(root, 'packages', 'cli', 'src', 'main.ts');
  const migration = await spawnService({ entry, args: ['migrate'], env: environment, cwd: root });
  running.push(migration);
  const { code, signal } = await migration.exited;
  if (code !== 0) {
    throw new Error(
      `\`bus migrate\` ended with ${signal ?? `status ${code}`}. It printed:\n${migration.output()}`,
    );
  }
  return environment;
}

const stopRequested = Promise.race(
  (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => once(process, signal)),
);
// A second Ctrl-C while the servers stop must not leave half of them behind.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => 'already stopping');

try {
  const environment = await Promise.race([start(), stopRequested]);
  if (!Array.isArray(environment)) {
    for (const [name, value] of Object.entries(environment)) console.log(`export ${name}='${value}'`);
    console.error('PostgreSQL and Redis run until you press Ctrl-C; then their data is thrown away.');
    const keepAlive = setInterval(() => 'waiting', 60_000);
    await stopRequested;
    clearInterval(keepAlive);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await Promise.all(running.map((server) => server.stop()));
  // Interrupted while it starts, a server may not be in the list yet; it ends with this process.
  process.exit();
}
