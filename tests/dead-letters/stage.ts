import { join } from 'node:path';
import { userRenamed } from '../../packages/contracts/src/index.ts';
import { createTestDatabase, type TestDatabase } from '../../packages/database/src/testing.ts';
import { createOutbox } from '../../packages/outbox/src/index.ts';
import {
  type RedisServer,
  type ServiceProcess,
  spawnService,
  startRedis,
} from '../../packages/testkit/src/index.ts';

const root = join(import.meta.dirname, '..', '..');
const outbox = createOutbox();
const groups = { unordered: 'none', ordered: 'aggregate' } as const;

/** One of the two groups of the consumer in this folder. */
export type Group = keyof typeof groups;

/** How a group stands. */
export interface Account {
  readonly appended: number;
  readonly handled: number;
  readonly twice: number;
  readonly dead: number;
  readonly redriving: number;
  /** Neither handled nor a letter that is open: waiting somewhere. */
  readonly waiting: number;
  /** Has an effect, and a letter that says it has none. */
  readonly both: number;
  /** The inbox and the letter say different things. */
  readonly contradictions: number;
}

/** What a command printed, and the status it ended with. */
export interface Finished {
  readonly code: number | null;
  readonly output: string;
}

/** A database and a Redis of a test's own, and the services and the command on them. */
export interface Stage {
  readonly database: TestDatabase;
  readonly redis: RedisServer;
  start(service: string, env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  startRunner(group: Group, env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** Appends events of a few users, every so many of which are called `poison`, or by another name. */
  append(count: number, oddEvery: number, oddName?: string): Promise<void>;
  /** What became of each event in a group, told from the effects, the letters and the inbox. */
  account(group: Group): Promise<Account>;
  /** Runs `bus` to its end. */
  bus(...args: string[]): Promise<Finished>;
  /** Starts `bus` and returns at once. */
  startBus(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  close(): Promise<void>;
}

/** Sets up a stage on a PostgreSQL server. */
export async function createStage(postgresUrl: string): Promise<Stage> {
  const database = await createTestDatabase(postgresUrl);
  await database.pool.query(`
    create table mood (is_down boolean not null default false, is_cured boolean not null default false);
    insert into mood default values;
    create table effects (number bigint generated always as identity, consumer_group text not null,
      event_id uuid not null, aggregate_id text not null)`);
  const redis = await startRedis();
  const workers: ServiceProcess[] = [];
  const env = { DATABASE_URL: database.url, REDIS_URL: redis.url };

  const start: Stage['start'] = async (service, more = {}) => {
    const worker = await spawnService({
      entry: join(root, 'services', service, 'src', 'main.ts'),
      cwd: root,
      env: {
        ...env,
        OUTBOX_SOURCE: 'test',
        PUBLISH_SWEEP: '500ms',
        SWEEP_EVERY: '100ms',
        CLAIM_IDLE: '2s',
        RECLAIM_EVERY: '200ms',
        LEASE_TTL: '2s',
        ...more,
      },
    });
    workers.push(worker);
    await worker.waitFor(/"msg":"started"/);
    return worker;
  };
  const startBus: Stage['startBus'] = async (args, more = {}) => {
    const command = await spawnService({
      entry: join(root, 'packages', 'cli', 'src', 'main.ts'),
      args,
      env: { ...env, ...more },
      name: 'bus',
    });
    workers.push(command);
    return command;
  };

  return {
    database,
    redis,
    start,
    startBus,
    startRunner: (group, env = {}) =>
      start('consumer-runner', {
        CONSUMERS: join(root, 'tests', 'dead-letters'),
        MOODY_GROUP: group,
        MOODY_ORDERING: groups[group],
        ...env,
      }),
    append: (count, oddEvery, oddName = 'poison') => append(database, { count, oddEvery, oddName }),
    account: (group) => account(database, group),
    bus: async (...args) => {
      const command = await startBus(args);
      const { code } = await command.exited;
      return { code, output: command.output() };
    },
    close: async () => {
      await Promise.all(workers.splice(0).map((worker) => worker.stop()));
      await redis.stop();
      await database.close();
    },
  };
}

async function append(
  database: TestDatabase,
  {
    count,
    oddEvery,
    oddName,
  }: { readonly count: number; readonly oddEvery: number; readonly oddName: string },
): Promise<void> {
  for (let from = 0; from < count; from += 50) {
    await database.db.transaction().execute(async (trx) => {
      const events = Array.from({ length: Math.min(50, count - from) }, (_, n) =>
        userRenamed({
          // Of so many that some of them always succeed: ten that fail in a row, and none that succeeds, are an outage.
          aggregateId: `user-${(from + n) % 101}`,
          tenantId: 'acme',
          actorId: 'ann',
          payload: { name: (from + n) % oddEvery === oddEvery - 1 ? oddName : 'Ann' },
        }),
      );
      await outbox.append(trx, ...events);
    });
  }
}

async function account(database: TestDatabase, group: Group): Promise<Account> {
  const { rows } = await database.pool.query<Account>(
    `with effect as (
       select event_id, count(*) as n from effects where consumer_group = $1 group by event_id
     ), all_of_it as (
       select o.event_id, coalesce(e.n, 0) as effects, d.state, i.outcome
       from outbox_events o
       left join effect e using (event_id)
       left join dead_letters d on d.event_id = o.event_id and d.consumer_group = $1
       left join inbox_events i on i.event_id = o.event_id and i.consumer_group = $1
     )
     select count(*)::int as appended,
       (count(*) filter (where effects > 0))::int as handled,
       (count(*) filter (where effects > 1))::int as twice,
       (count(*) filter (where state = 'dead'))::int as dead,
       (count(*) filter (where state = 'redriving'))::int as redriving,
       (count(*) filter (where effects = 0 and state is distinct from 'dead'))::int as waiting,
       (count(*) filter (where effects > 0 and state in ('dead', 'redriving')))::int as both,
       (count(*) filter (where state is not null and outcome <> case state when 'redriving' then 'dead' else state end))::int
         as contradictions
     from all_of_it`,
    [group],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('there is no account');
  return row;
}
