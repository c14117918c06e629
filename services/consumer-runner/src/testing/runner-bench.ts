import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestDatabase } from '@event-bus/database/testing';
import {
  createTemporaryFolder,
  type RedisServer,
  type ServiceProcess,
  spawnService,
  startRedis,
  uniquePrefix,
} from '@event-bus/testkit';
import { ENTRY_FIELDS } from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';
import { createLedger, type LedgerOptions, ledgerConsumer } from './ledger-consumer.ts';

/** One published event. */
export interface Published {
  readonly eventId: string;
  readonly aggregateId: string;
  readonly name: string;
  readonly position: number;
  /** The same in every duplicate: the inbox goes by it. */
  readonly occurredAt: string;
}

/** A row of the ledger. */
export interface LedgerRow {
  readonly event_id: string;
  readonly aggregate_id: string;
  readonly pid: number;
  readonly attempt: number;
}

const stream = 'events:user';
const main = join(import.meta.dirname, '..', 'main.ts');

/** A Redis and a database of one's own, with a ledger in it, and runners as processes. */
export async function createRunnerBench(postgresUrl: string) {
  const redis: RedisServer = await startRedis();
  const database = await createTestDatabase(postgresUrl);
  await database.pool.query(createLedger);
  const transport = createRedisTransport({ url: redis.url });
  const observer = transport.observer();
  const writer = transport.writer();
  const folder = createTemporaryFolder('consumers');
  const processes: ServiceProcess[] = [];
  let last: string | null = null;
  let position = 0;

  const next = (aggregateId: string, name: string): Published => {
    position += 1;
    return { eventId: randomUUID(), aggregateId, name, position, occurredAt: new Date().toISOString() };
  };

  const fieldsOf = (event: Published): Readonly<Record<string, string>> => ({
    event_id: event.eventId,
    source: 'test',
    position: String(event.position),
    event_type: 'user.renamed',
    event_version: '1',
    aggregate_type: 'user',
    aggregate_id: event.aggregateId,
    tenant_id: 'tenant',
    actor_id: 'actor',
    occurred_at: event.occurredAt,
    payload: JSON.stringify({ name: event.name }),
  });

  async function write(events: readonly Published[]): Promise<void> {
    const entries = events.map((event) => {
      const fields = fieldsOf(event);
      return ENTRY_FIELDS.map((name) => fields[name] ?? '');
    });
    const result = await writer.append(stream, {
      source: 'test',
      expect: { eventId: last, present: last !== null },
      entries,
    });
    if (result.outcome !== 'appended') throw new Error(`refused: ${JSON.stringify(result)}`);
    last = events.at(-1)?.eventId ?? last;
  }

  /** Makes a package whose default export is a ledger, and returns its folder, as CONSUMERS takes it. */
  function consumer(options: Partial<LedgerOptions> = {}) {
    const group = uniquePrefix();
    const path = join(folder.path, group);
    mkdirSync(path);
    writeFileSync(
      join(path, 'package.json'),
      JSON.stringify({ name: group, type: 'module', exports: './consumer.js' }),
    );
    const { name } = ledgerConsumer;
    const source = `import { ${name} } from ${JSON.stringify(join(import.meta.dirname, 'ledger-consumer.ts'))};
      export default ${name}(${JSON.stringify({ group, ordering: 'none', ...options })});`;
    writeFileSync(join(path, 'consumer.js'), source);
    return { group, path };
  }

  return {
    redis,
    database,
    observer,
    consumer,
    transport,
    /** Writes one event per aggregate named, all with this name. */
    async publish(aggregateIds: readonly string[], name = 'somebody'): Promise<Published[]> {
      const events = aggregateIds.map((aggregateId) => next(aggregateId, name));
      await write(events);
      return events;
    },
    /** Injects one event per aggregate named for one group, as a replay does. */
    async inject(group: string, replayId: string, aggregateIds: readonly string[]): Promise<Published[]> {
      const events = aggregateIds.map((aggregateId) => next(aggregateId, 'somebody'));
      const mover = transport.mover();
      await mover.inject(
        { stream, group },
        events.map((event) => {
          const fields = fieldsOf(event);
          return {
            fields: Object.fromEntries(ENTRY_FIELDS.map((name) => [name, fields[name] ?? ''])),
            replayId,
          };
        }),
      );
      await mover.close();
      return events;
    },
    /** Writes an event past the bus, as any client of Redis may, with some fields that no publisher would write. */
    async publishForeign(fields: Readonly<Record<string, string>>): Promise<void> {
      const all = { ...fieldsOf(next('user-foreign', 'foreign')), ...fields } as Record<string, string>;
      const entry = ENTRY_FIELDS.flatMap((name) => [name, all[name] ?? '']);
      await redis.client().xadd(stream, '*', ...entry);
    },
    /** Writes events of another topic, one per project named, which have stood in their stream since that time. */
    async publishProjects(aggregateIds: readonly string[], writtenAt: Date): Promise<Published[]> {
      const events = aggregateIds.map((aggregateId) => next(aggregateId, 'something'));
      for (const [n, event] of events.entries()) {
        const all: Readonly<Record<string, string>> = {
          ...fieldsOf(event),
          event_type: 'project.created',
          aggregate_type: 'project',
          payload: JSON.stringify({ name: event.name, ownerId: 'somebody' }),
        };
        const entry = ENTRY_FIELDS.flatMap((name) => [name, all[name] ?? '']);
        await redis.client().xadd('events:project', `${writtenAt.getTime()}-${n}`, ...entry);
      }
      return events;
    },
    /** Writes events again after Redis has forgotten everything. */
    async publishAgain(events: readonly Published[]): Promise<void> {
      last = null;
      await write(events);
    },
    async spawn(path: string, env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
      const service = await spawnService({
        entry: main,
        name: 'consumer-runner',
        env: {
          DATABASE_URL: database.url,
          REDIS_URL: redis.url,
          CONSUMERS: path,
          CLAIM_IDLE: '1500ms',
          RECLAIM_EVERY: '200ms',
          LEASE_TTL: '1500ms',
          ...env,
        },
      });
      processes.push(service);
      return service;
    },
    async ledger(group: string): Promise<LedgerRow[]> {
      const { rows } = await database.pool.query<LedgerRow>(
        'select event_id, aggregate_id, pid, attempt from ledger where consumer_group = $1 order by number',
        [group],
      );
      return rows;
    },
    /** All entries of the group that are pending in the stream. */
    pending: (group: string) => observer.pending({ stream, group }, null, 10_000),
    async status(group: string) {
      const found = (await observer.groups(stream)).find((one) => one.group === group);
      if (found === undefined) throw new Error(`the group ${group} does not exist yet`);
      return found;
    },
    async close(): Promise<void> {
      for (const service of processes) service.kill('SIGKILL');
      await Promise.all(processes.map(({ exited }) => exited));
      await transport.close();
      await database.close();
      await redis.stop();
      await folder.remove();
    },
  };
}
