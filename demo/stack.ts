import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createDatabase, createPool, migrate } from '@event-bus/database';
import {
  createTemporaryFolder,
  type PostgresServer,
  type RedisServer,
  type ServiceProcess,
  spawnService,
  startPostgres,
  startRedis,
  type TemporaryFolder,
} from '@event-bus/testkit';
import pg from 'pg';

/** The consumer groups of the demo, with what CONSUMERS calls them. */
export const groups = {
  'welcome-email': '@event-bus/welcome-email',
  'user-directory': '@event-bus/user-directory',
  'project-activity': './demo',
} as const;

/** A consumer group of the demo. */
export type GroupName = keyof typeof groups;

/** A worker process: a service of the bus, or a runner of one group. */
export interface Worker {
  readonly name: string;
  readonly role: keyof typeof services | GroupName;
  readonly pid: number;
  /** Ends it as a power cut would. */
  kill(): void;
}

/** All that the example application runs on: two servers and the worker processes. */
export interface Stack {
  readonly url: string;
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
  /** What the outbox calls itself. */
  readonly source: string;
  readonly mailFile: string;
  /** As long as it does not exist, some events of projects fail for good. */
  readonly mendedFile: string;
  /** What the workers are told of it. */
  readonly environment: Readonly<Record<string, string>>;
  /** The workers that run. */
  readonly workers: () => readonly Worker[];
  /** Starts a worker and waits until it works. */
  startWorker(role: Worker['role']): Promise<Worker>;
  /** Rejects when a worker ends that nobody has ended. */
  readonly broken: Promise<never>;
  /** Ends everything; its data is gone then. */
  stop(): Promise<void>;
}

const source = 'demo';
const root = join(import.meta.dirname, '..');
const services = {
  publisher: 'outbox-publisher',
  'dlq-mover': 'dlq-mover',
  archiver: 'retention-archiver',
  replayer: 'replayer',
  monitor: 'bus-monitor',
} as const;
const isService = (role: Worker['role']): role is keyof typeof services => role in services;
const schemas = [
  join(root, 'services', 'user-directory', 'schema.sql'),
  join(import.meta.dirname, 'schema.sql'),
];

/** What a stack may have of its own. */
export interface StackOptions {
  /** Instead of servers that lose what they have when the machine does; PostgreSQL is given these settings. */
  readonly startPostgres?: (settings: Readonly<Record<string, string>>) => Promise<PostgresServer>;
  readonly startRedis?: () => Promise<RedisServer>;
  /** Told to every worker, over what the stack says itself. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A Redis server and a PostgreSQL server with all tables. Still without workers. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const folder = createTemporaryFolder('demo');
  const started: { stop(): Promise<unknown> }[] = [];
  // So that the time from one commit to another can be told to the microsecond.
  const settings = { track_commit_timestamp: 'on' };
  try {
    const postgres = await (options.startPostgres?.(settings) ?? startPostgres({ settings }));
    started.push(postgres);
    const redis = await (options.startRedis ?? startRedis)();
    started.push(redis);
    return await prepare({ postgres, redis, folder, own: options.environment ?? {} });
  } catch (error) {
    await Promise.all(started.map((server) => server.stop()));
    await folder.remove();
    throw error;
  }
}

async function prepare({
  postgres,
  redis,
  folder,
  own,
}: {
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
  readonly folder: TemporaryFolder;
  readonly own: Readonly<Record<string, string>>;
}): Promise<Stack> {
  const { url } = await postgres.createDatabase('event_bus');
  await createTables(url);
  const mailFile = join(folder.path, 'mails.jsonl');
  await writeFile(mailFile, '');
  const mendedFile = join(folder.path, 'project-index-mended');
  const environment = { DATABASE_URL: url, REDIS_URL: redis.url };
  const workers = createWorkers({
    ...environment,
    OUTBOX_SOURCE: source,
    MAILER_URL: pathToFileURL(mailFile).href,
    PROJECT_INDEX_MENDED: mendedFile,
    // Short, so that it shows within seconds what takes half a minute in production.
    CLAIM_IDLE: '2s',
    RECLAIM_EVERY: '500ms',
    LEASE_TTL: '2s',
    PUBLISH_SWEEP: '1s',
    ...own,
  });
  return {
    ...workers,
    url,
    postgres,
    redis,
    source,
    mailFile,
    mendedFile,
    environment,
    async stop() {
      await workers.stop();
      await Promise.all([postgres.stop(), redis.stop()]);
      await folder.remove();
    },
  };
}

async function createTables(url: string): Promise<void> {
  const db = createDatabase(createPool({ url, applicationName: 'demo migrate', max: 1 }));
  try {
    await migrate(db);
  } finally {
    await db.destroy();
  }
  const client = new pg.Client(url);
  await client.connect();
  try {
    for (const schema of schemas) await client.query(await readFile(schema, 'utf8'));
  } finally {
    await client.end();
  }
}

/** The processes; each is told the same, and a runner which consumer to run. */
function createWorkers(env: Readonly<Record<string, string>>) {
  const running = new Map<Worker, ServiceProcess>();
  const started = new Map<Worker['role'], number>();
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => 'whoever waits for it learns of it');

  async function startWorker(role: Worker['role']): Promise<Worker> {
    const number = (started.get(role) ?? 0) + 1;
    started.set(role, number);
    const [service, kind, own] = isService(role)
      ? [services[role], role, {}]
      : ['consumer-runner', `${role} runner`, { CONSUMERS: groups[role] }];
    const name = `${kind} ${number}`;
    const process = await spawnService({
      name,
      entry: join(root, 'services', service, 'src', 'main.ts'),
      cwd: root,
      env: { ...env, ...own },
    });
    const worker: Worker = {
      name,
      role,
      pid: process.pid,
      kill() {
        running.delete(worker);
        process.kill('SIGKILL');
      },
    };
    running.set(worker, process);
    void process.exited.then(({ code, signal }) => {
      if (!running.delete(worker)) return;
      const end = process.output().trimEnd().split('\n').slice(-5).join('\n');
      broken.reject(new Error(`${name} ended (${signal ?? `status ${code}`}). Its last words:\n${end}`));
    });
    await process.waitFor(/"msg":"started"/);
    return worker;
  }

  return {
    startWorker,
    workers: () => [...running.keys()],
    broken: broken.promise,
    async stop() {
      const processes = [...running.values()];
      running.clear();
      await Promise.all(processes.map((process) => process.stop({ patienceMs: 5_000 })));
    },
  };
}
