import { setTimeout as delay } from 'node:timers/promises';
import type { Stack } from '@event-bus/demo/stack';
import { createRedisTransport } from '@event-bus/transport/redis';
import pg from 'pg';
import { memoryOf, memoryOfFamily } from './memory.ts';
import { pastInboxDays } from './partitions.ts';

/** How everything stood at one moment. */
export interface Sample {
  /** In seconds. */
  readonly at: number;
  /** Events that were committed. */
  readonly committed: number;
  /** Events that the publisher has yet to come to, and positions of which it does not know what became of them. */
  readonly unpublished: number;
  /** Entries that a group was not given or has not acknowledged, by group. */
  readonly waiting: Readonly<Record<string, number>>;
  /** Entries that a group was given and has acknowledged, by group. */
  readonly handled: Readonly<Record<string, number>>;
  /** Of the outbox. */
  readonly rows: number;
  readonly outboxBytes: number;
  readonly partitions: number;
  /** Days of the past that the inbox still has. */
  readonly pastInboxDays: number;
  /** In all streams of events. */
  readonly entries: number;
  readonly deadLetters: number;
  /** In bytes, by process; of PostgreSQL with all its own, of Redis as it says itself. */
  readonly memory: Readonly<Record<string, number>>;
  /** How many processes PostgreSQL has: most of them serve a connection. */
  readonly postgresProcesses: number;
}

const streams = ['events:user', 'events:project'];
const everyMs = 1_000;

/** Looks at a running bus. */
export interface Sampler {
  sample(): Promise<Sample>;
  /** Samples once a second until the signal aborts. The seconds begin anew. */
  run(signal: AbortSignal, onSample: (sample: Sample) => void): Promise<void>;
  close(): Promise<void>;
}

/**
 * Creates a sampler over connections of its own.
 * @param committed how many events were committed so far.
 */
export function createSampler(stack: Stack, committed: () => number): Sampler {
  const pool = new pg.Pool({ connectionString: stack.url, max: 2 });
  pool.on('error', () => 'seen by the query that fails');
  const transport = createRedisTransport({ url: stack.redis.url });
  const observer = transport.observer();
  const redis = stack.redis.client();
  let startedAt = performance.now();

  async function readDatabase() {
    const { rows } = await pool.query<
      Pick<Sample, 'unpublished' | 'rows' | 'outboxBytes' | 'partitions' | 'pastInboxDays' | 'deadLetters'>
    >(`
      select
        (select count(*)::int from outbox_events e, outbox_cursor c where e.position > c.position)
          + (select coalesce(sum(last - first + 1), 0)::int from outbox_gaps) as unpublished,
        (select count(*)::int from outbox_events) as rows,
        (select sum(pg_total_relation_size(relid))::float8 from pg_partition_tree('outbox_events')) as "outboxBytes",
        (select count(*)::int from bus_partitions('outbox_events')) as partitions,
        (${pastInboxDays}),
        (select count(*)::int from dead_letters) as "deadLetters"`);
    const [row] = rows;
    if (row === undefined) throw new Error('The database answered without a row.');
    return row;
  }

  async function readRedis() {
    const [figures, ...found] = await Promise.all([
      observer.figures(),
      ...streams.map(async (stream) => {
        const { length } = await observer.stream(stream);
        const groups = await observer.groups(stream);
        const added = length === 0 && groups.length === 0 ? 0 : await entriesAdded(stream);
        return { length, groups, added };
      }),
    ]);
    const waiting: Record<string, number> = {};
    const handled: Record<string, number> = {};
    for (const { groups, added } of found) {
      for (const { group, lag, pending } of groups) {
        // A server that cannot tell what is left to be given out has more than is known.
        const left = (lag ?? Number.NaN) + pending;
        waiting[group] = (waiting[group] ?? 0) + left;
        // What was added since the groups were looked at makes a moment's difference.
        handled[group] = (handled[group] ?? 0) + added - left;
      }
    }
    const entries = found.reduce((sum, { length }) => sum + length, 0);
    return { waiting, handled, entries, usedMemoryBytes: figures.usedMemoryBytes };
  }

  /** How many a stream has ever had. */
  async function entriesAdded(stream: string): Promise<number> {
    const reply = (await redis.xinfo('STREAM', stream)) as (string | number)[];
    return Number(reply[reply.indexOf('entries-added') + 1]);
  }

  function readMemory(usedMemoryBytes: number): Pick<Sample, 'memory' | 'postgresProcesses'> {
    const postgres = memoryOfFamily(stack.postgres.pid);
    const own = stack.workers().map(({ name, pid }) => [name, memoryOf(pid)] as const);
    const all = [...own, ['PostgreSQL', postgres?.bytes] as const];
    return {
      memory: Object.fromEntries([
        ...all.flatMap(([name, bytes]) => (bytes === undefined ? [] : [[name, bytes] as const])),
        ['Redis', usedMemoryBytes],
      ]),
      postgresProcesses: postgres?.processes ?? 0,
    };
  }

  async function sample(): Promise<Sample> {
    // Read before what was kept of it: so what is found is never more than what was committed.
    const before = { at: (performance.now() - startedAt) / 1_000 };
    const [database, inRedis] = await Promise.all([readDatabase(), readRedis()]);
    const { usedMemoryBytes, ...streamed } = inRedis;
    return {
      ...before,
      committed: committed(),
      ...database,
      ...streamed,
      ...readMemory(usedMemoryBytes),
    };
  }

  return {
    sample,
    async run(signal, onSample) {
      startedAt = performance.now();
      while (!signal.aborted) {
        onSample(await sample());
        await delay(everyMs, undefined, { signal }).catch(() => 'the signal ends the loop');
      }
    },
    async close() {
      await Promise.all([pool.end(), transport.close()]);
    },
  };
}

/** What waits anywhere, in the outbox or for any group. */
export function backlogOf({ unpublished, waiting }: Sample): number {
  return unpublished + Math.max(0, ...Object.values(waiting));
}
