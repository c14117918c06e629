import { join } from 'node:path';
import { userDeleted, userRenamed } from '../../packages/contracts/src/index.ts';
import { loadGroup } from '../../packages/database/src/index.ts';
import { createTestDatabase, type TestDatabase } from '../../packages/database/src/testing.ts';
import {
  type AuditReport,
  type AuditRequest,
  audit,
  controlGroup,
  discardDeadLetters,
  redriveDeadLetters,
} from '../../packages/operations/src/index.ts';
import { createOutbox } from '../../packages/outbox/src/index.ts';
import {
  eventually,
  type RedisServer,
  type ServiceProcess,
  spawnService,
  startRedis,
} from '../../packages/testkit/src/index.ts';
import { createRedisTransport } from '../../packages/transport/src/redis/index.ts';

const root = join(import.meta.dirname, '..', '..');
const outbox = createOutbox();

/** A bus of processes on servers of its own, with a consumer that does what its events say. */
export interface AccountedBus {
  readonly database: TestDatabase;
  readonly redis: RedisServer;
  start(service: string, env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** Starts a runner, and waits until its group is registered. */
  runner(group: string, env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** Appends an event per name, of a few users. Returns their IDs. */
  append(...names: readonly string[]): Promise<string[]>;
  /** Appends events that the consumer has no handler for. */
  appendForeign(count: number): Promise<void>;
  /** Pauses or resumes a group, which its runners notice by and by. */
  control(group: string, action: 'pause' | 'resume'): Promise<void>;
  /** Redrives or discards a dead letter. */
  settle(eventId: string, action: 'redrive' | 'discard'): Promise<void>;
  bus(...args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }>;
  audit(request?: AuditRequest): Promise<AuditReport>;
  /** The states of one group, as the audit counts them. */
  states(group: string): Promise<AuditReport['groups'][number]['states']>;
  close(): Promise<void>;
}

/** Starts the servers; nothing runs on them yet. */
export async function createAccountedBus(postgresUrl: string): Promise<AccountedBus> {
  const database = await createTestDatabase(postgresUrl);
  await database.pool.query(`
    create table weather (is_down boolean not null default false);
    insert into weather default values;
    create table effects (consumer_group text not null, event_id uuid not null)`);
  const redis = await startRedis();
  const transport = createRedisTransport({ url: redis.url });
  const observer = transport.observer();
  const processes: ServiceProcess[] = [];
  const environment = { DATABASE_URL: database.url, REDIS_URL: redis.url };
  let appended = 0;

  const facts = () => {
    appended += 1;
    return { aggregateId: `user-${appended % 37}`, tenantId: 'acme', actorId: 'ann' };
  };

  const start: AccountedBus['start'] = async (service, env = {}) => {
    const process = await spawnService({
      entry: join(root, 'services', service, 'src', 'main.ts'),
      cwd: root,
      env: {
        ...environment,
        OUTBOX_SOURCE: 'test',
        PUBLISH_SWEEP: '500ms',
        MAX_ENTRY_BYTES: '4KiB',
        SWEEP_EVERY: '100ms',
        CLAIM_IDLE: '1s',
        RECLAIM_EVERY: '200ms',
        LEASE_TTL: '2s',
        SHUTDOWN_DRAIN: '1s',
        ...env,
      },
    });
    processes.push(process);
    await process.waitFor(/"msg":"started"/);
    return process;
  };

  const report: AccountedBus['audit'] = (request) =>
    audit({ pool: database.pool, inbox: database.db, bus: database.db, observer }, request);

  return {
    database,
    redis,
    start,
    async runner(group, env = {}) {
      const consumer = { CONSUMERS: join(root, 'tests', 'accounting'), ACCOUNTED_GROUP: group };
      const process = await start('consumer-runner', { ...consumer, ...env });
      await eventually(async () => (await loadGroup(database.db, group)) !== undefined);
      return process;
    },
    async append(...names) {
      const events = names.map((name) => userRenamed({ ...facts(), payload: { name } }));
      const written = await database.db.transaction().execute((trx) => outbox.append(trx, ...events));
      return written.map(({ eventId }) => eventId);
    },
    async appendForeign(count) {
      const events = Array.from({ length: count }, () => userDeleted({ ...facts(), payload: {} }));
      await database.db.transaction().execute((trx) => outbox.append(trx, ...events));
    },
    async control(group, action) {
      await controlGroup(database.db, group, { action, operator: 'ann', reason: 'a test' });
    },
    async settle(eventId, action) {
      const mover = transport.mover();
      const request = { operator: 'ann', reason: 'a test', limit: 1 };
      const servers = { db: database.db, mover };
      const selection = { eventIds: [eventId] };
      if (action === 'redrive') {
        await redriveDeadLetters(servers, selection, { ...request, stopOnFailure: false, follow: null });
      } else {
        await discardDeadLetters(servers, selection, { ...request, keep: () => Promise.resolve() });
      }
      await mover.close();
    },
    async bus(...args) {
      const command = await spawnService({
        entry: join(root, 'packages', 'cli', 'src', 'main.ts'),
        args,
        env: environment,
        name: 'bus',
      });
      const { code } = await command.exited;
      return { code, output: command.output() };
    },
    audit: report,
    async states(group) {
      const { groups } = await report({ group });
      return groups[0]?.states ?? {};
    },
    async close() {
      await Promise.all(processes.map((process) => process.stop()));
      await transport.close();
      await redis.stop();
      await database.close();
    },
  };
}
