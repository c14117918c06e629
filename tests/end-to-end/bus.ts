import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createTestDatabase, type TestDatabase } from '../../packages/database/src/testing.ts';
import {
  createTemporaryFolder,
  type ServiceProcess,
  spawnService,
  startRedis,
} from '../../packages/testkit/src/index.ts';

const root = join(import.meta.dirname, '..', '..');

/** The whole bus as processes of their own: a publisher, and a runner for each of the example groups. */
export interface RunningBus {
  readonly database: TestDatabase;
  /** The addresses of all mails that were sent. */
  mailed(): Promise<string[]>;
  /** What the directory knows, and how many events made it so. */
  directory(): Promise<{ user_id: string; name: string | null; version: number }[]>;
  /** Ends the processes as an orchestrator does, and waits until they have ended. */
  stopWorkers(): Promise<void>;
  close(): Promise<void>;
}

/** Starts it, with additional variables in the environment of every process. */
export async function startBus(
  postgresUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningBus> {
  const releases: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const release of releases.splice(0).reverse()) await release();
  };
  try {
    const database = await createTestDatabase(postgresUrl);
    releases.push(() => database.close());
    await database.pool.query(await readFile(join(root, 'services/user-directory/schema.sql'), 'utf8'));
    const redis = await startRedis();
    releases.push(() => redis.stop());
    const folder = createTemporaryFolder('end-to-end');
    releases.push(() => folder.remove());
    const mailFile = join(folder.path, 'mails.jsonl');
    await writeFile(mailFile, '');

    const workers: ServiceProcess[] = [];
    const stopWorkers = () =>
      Promise.all(workers.splice(0).map((worker) => worker.stop())).then(() => undefined);
    releases.push(stopWorkers);
    const environment = { DATABASE_URL: database.url, REDIS_URL: redis.url, ...env };
    const start = async (service: string, own: Readonly<Record<string, string>>) => {
      const entry = join(root, 'services', service, 'src', 'main.ts');
      const worker = await spawnService({ entry, cwd: root, env: { ...environment, ...own } });
      workers.push(worker);
      await worker.waitFor(/"msg":"started"/);
    };
    await Promise.all([
      start('outbox-publisher', { OUTBOX_SOURCE: 'end-to-end' }),
      start('consumer-runner', {
        CONSUMERS: '@event-bus/welcome-email',
        MAILER_URL: pathToFileURL(mailFile).href,
      }),
      start('consumer-runner', { CONSUMERS: '@event-bus/user-directory' }),
    ]);

    return {
      database,
      stopWorkers,
      close,
      async mailed() {
        const lines = (await readFile(mailFile, 'utf8')).split('\n').filter((line) => line !== '');
        return lines.map((line) => (JSON.parse(line) as { readonly to: string }).to);
      },
      async directory() {
        const { rows } = await database.pool.query<{ user_id: string; name: string | null; version: number }>(
          'select user_id, name, version from user_directory order by user_id',
        );
        return rows;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
