import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { type GroupName, groups } from './stack.ts';

/** Milliseconds from the commit of an event's transaction to the commit of its handler's. */
export interface Latency {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** How far everything is. */
export interface Snapshot {
  readonly appended: number;
  readonly published: number;
  readonly handled: Readonly<Record<GroupName, number>>;
  /** Of all groups. */
  readonly deadLetters: number;
}

/** Reads the databases of the demo: how far the bus is. */
export interface Meter {
  snapshot(): Promise<Snapshot>;
  /** Of what was handled in the last two seconds, or of what was committed before an instant; undefined if nothing was. */
  latency(of: 'recent' | 'all' | { readonly before: Date }): Promise<Latency | undefined>;
  /** Whether every group has handled all that was appended for it, and Redis holds all of it and nothing unhandled. */
  isSettled(): Promise<boolean>;
  /** How many of the appended events Redis lacks. */
  missingInRedis(): Promise<number>;
}

const topics = ['user', 'project'] as const;

/** Creates a meter over connections of its own. */
export function createMeter(pool: pg.Pool, redis: Redis): Meter {
  const number = async (query: string): Promise<number> => {
    const { rows } = await pool.query<{ n: string }>(query);
    return Number(rows[0]?.n);
  };

  async function snapshot(): Promise<Snapshot> {
    const { rows } = await pool.query<{ group: GroupName; n: string }>(
      `select consumer_group as group, count(*) as n from inbox_events where outcome = 'done' group by 1`,
    );
    const handled = { 'welcome-email': 0, 'user-directory': 0, 'project-activity': 0 };
    for (const row of rows) handled[row.group] = Number(row.n);
    // The other way round, what came in between would seem to be handled before it was appended.
    const published = await number(`select count(*) as n from outbox_status where status = 'published'`);
    const appended = await number('select count(*) as n from demo.appended');
    const deadLetters = await number('select count(*) as n from dead_letters');
    return { appended, published, handled, deadLetters };
  }

  async function missingInRedis(): Promise<number> {
    let missing = 0;
    for (const topic of topics) {
      const appended = await number(
        `select count(*) as n from demo.appended where aggregate_type = '${topic}'`,
      );
      missing += Math.max(0, appended - (await redis.xlen(`events:${topic}`)));
    }
    return missing;
  }

  return {
    snapshot,
    missingInRedis,
    async latency(of) {
      const { rows } = await pool.query<{ percentiles: readonly number[] | null }>(
        `with handled as (
           select pg_xact_commit_timestamp(a.xmin) as appended_at, pg_xact_commit_timestamp(i.xmin) as handled_at
           from inbox_events i join demo.appended a using (event_id)
           where i.processed_at > $1 and i.outcome = 'done')
         select percentile_cont(array[0.5, 0.95, 0.99]) within group
           (order by extract(epoch from handled_at - appended_at)::float8 * 1000) as percentiles
         from handled where appended_at < $2`,
        [
          of === 'recent' ? new Date(Date.now() - 2_000) : '-infinity',
          typeof of === 'object' ? of.before : 'infinity',
        ],
      );
      const [p50, p95, p99] = rows[0]?.percentiles ?? [];
      return p50 === undefined || p95 === undefined || p99 === undefined ? undefined : { p50, p95, p99 };
    },
    async isSettled() {
      const { handled, deadLetters } = await snapshot();
      const expected = {
        'welcome-email': `event_type = 'user.created'`,
        'user-directory': `aggregate_type = 'user'`,
        'project-activity': `aggregate_type = 'project' and trouble is distinct from 'always'`,
      };
      for (const group of Object.keys(groups) as GroupName[]) {
        const due = await number(`select count(*) as n from demo.appended where ${expected[group]}`);
        if (handled[group] < due) return false;
      }
      if (deadLetters < (await number(`select count(*) as n from demo.appended where trouble = 'always'`)))
        return false;
      for (const topic of topics) if (!(await isDrained(redis, `events:${topic}`))) return false;
      return (await missingInRedis()) === 0;
    },
  };
}

/** Whether all groups of a stream have read and acknowledged everything. */
async function isDrained(redis: Redis, stream: string): Promise<boolean> {
  if ((await redis.exists(stream)) === 0) return true;
  const last = fields(await redis.xinfo('STREAM', stream)).get('last-generated-id');
  const found = (await redis.xinfo('GROUPS', stream)) as unknown[];
  return (
    found.length > 0 &&
    found.map(fields).every((group) => group.get('pending') === 0 && group.get('last-delivered-id') === last)
  );
}

/** A reply of names and values in turn, by name. */
export function fields(reply: unknown): Map<unknown, unknown> {
  const flat = reply as unknown[];
  return new Map(flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1]] as const] : [])));
}

/** Waits until everything is settled. Resolves to false if for so long nothing has moved. */
export async function untilSettled(meter: Meter, patienceMs: number): Promise<boolean> {
  let before = '';
  let deadline = performance.now() + patienceMs;
  while (!(await meter.isSettled())) {
    const now = JSON.stringify([await meter.snapshot(), await meter.missingInRedis()]);
    if (now !== before) deadline = performance.now() + patienceMs;
    if (performance.now() > deadline) return false;
    before = now;
    await delay(250);
  }
  return true;
}
