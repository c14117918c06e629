import { userRenamed } from '@event-bus/contracts';
import { createPool } from '@event-bus/database';
import { acquireLease } from '@event-bus/inbox';
import { eventually, startProxy } from '@event-bus/testkit';
import { sql } from 'kysely';
import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { ConsumerDefinition } from './define-consumer.ts';
import type { HandlerContext } from './handler.ts';
import type { Progress, Settlement, Work } from './settlement.ts';
import {
  type Bench,
  createBench,
  defineConsumer,
  delivery,
  type EffectsDatabase,
  eventIdOf,
  never,
  on,
  work,
} from './testing/bench.ts';

type Context = HandlerContext<EffectsDatabase>;

let bench: Bench;
let pool: pg.Pool;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
  pool = createPool({ url: bench.database.url, applicationName: 'dispatcher', max: 1, pipeline: true });
});

afterEach(async () => {
  await pool.end();
  await bench.close();
});

/** Leaves an effect that tells the connection, then does what the event's name asks for. */
function consumer(
  odd: (context: Context) => unknown = () => undefined,
  options: Partial<Parameters<typeof defineConsumer>[0]> = {},
): ConsumerDefinition {
  return defineConsumer({
    group: 'g',
    ...options,
    handlers: [
      on(userRenamed, async (event, context) => {
        await sql`insert into effects (event_id, note) values (${event.id}, pg_backend_pid()::text)`.execute(
          context.trx,
        );
        if (event.payload.name === 'odd') await odd(context);
      }),
    ],
  });
}

const odd = () => work(delivery({ payload: '{"name":"odd"}' }));
const done = { kind: 'settled', how: 'done' };

const whenCommitting = (begin: () => void): Progress => ({ committing: begin, again: () => undefined });

/** Handles the first event, and within its `committing` begins the second. */
async function handleBoth(
  definition: ConsumerDefinition,
  [first, second]: readonly [Work, Work],
  options: { readonly pool?: pg.Pool; readonly signal?: AbortSignal } = {},
): Promise<[Settlement, Settlement | undefined]> {
  const { handle } = bench.dispatcher(definition, { pool: options.pool ?? pool });
  let following: Promise<Settlement> | undefined;
  const progress = whenCommitting(() => {
    following = handle(second, options.signal ?? never);
  });
  const settlement = await handle(first, never, progress);
  return [settlement, await following];
}

async function connections(): Promise<string[]> {
  const { rows } = await bench.database.pool.query<{ note: string }>('select distinct note from effects');
  return rows.map(({ note }) => note);
}

async function throughProxy() {
  const url = new URL(bench.database.url);
  const proxy = await startProxy(Number(url.port));
  url.port = String(proxy.port);
  const proxied = createPool({ url: url.href, applicationName: 'proxied', max: 1, pipeline: true });
  return {
    proxy,
    pool: proxied,
    close: async () => {
      await proxied.end();
      await proxy.close();
    },
  };
}

const isCommitAndBegin = (request: string) => request.includes('commit\0') && request.includes('begin ');

describe('a connection that is passed on at COMMIT', () => {
  it('carries one event after the other, and is free in the end', async () => {
    const { handle } = bench.dispatcher(consumer(), { pool });
    const works = Array.from({ length: 50 }, () => work());
    const waiting = [...works];
    const settled: Promise<Settlement>[] = [];
    const next = () => {
      const following = waiting.shift();
      if (following !== undefined) settled.push(handle(following, never, whenCommitting(next)));
    };
    next();
    await eventually(() => settled.length === works.length);

    expect(await Promise.all(settled)).toEqual(works.map(() => done));
    expect(await bench.effects()).toEqual(works.map(eventIdOf).sort());
    expect(await connections()).toHaveLength(1);
    expect({ total: pool.totalCount, idle: pool.idleCount }).toEqual({ total: 1, idle: 1 });
    await bench.untilIdle();
  });

  it('goes to whoever has waited for one, before another event begins on it', async () => {
    const { handle } = bench.dispatcher(consumer(), { pool });
    let others = 0;
    let served = false;
    const ends: Promise<Settlement>[] = [];
    const next = () => {
      others += 1;
      if (!served && others < 2_000) ends.push(handle(work(), never, whenCommitting(next)));
    };
    next();
    await eventually(() => others > 3);

    await pool.query('select 1');
    served = true;

    expect(others).toBeLessThan(2_000);
    await Promise.all(ends);
  });

  it('is not left to the next event by one whose COMMIT fails, and takes nothing from it', async () => {
    await bench.database.pool.query(
      'create table parents (id int primary key); create table children (id int references parents deferrable initially deferred)',
    );
    const breaking = consumer(({ trx }) => sql`insert into children values (1)`.execute(trx));
    const works = [odd(), work()] as const;

    const [first, second] = await handleBoth(breaking, works);

    expect(first).toMatchObject({ kind: 'failed', counted: true, error: { code: '23503' } });
    expect(second).toEqual(done);
    expect(await bench.effects()).toEqual([eventIdOf(works[1])]);
    expect(await bench.inbox()).toHaveLength(1);
  });

  it('keeps apart an event whose COMMIT rolled back without a word, and the next', async () => {
    const swallowing = consumer(({ trx }) => sql`select 1/0`.execute(trx).catch(() => undefined));
    const works = [odd(), work()] as const;

    const [first, second] = await handleBoth(swallowing, works);

    expect(first).toMatchObject({ kind: 'failed', error: { code: 'transaction_aborted' } });
    expect(second).toEqual(done);
    expect(await bench.effects()).toEqual([eventIdOf(works[1])]);
  });

  it('keeps apart an event whose lease was lost, and the next', async () => {
    const { db } = bench.database;
    const stream = 'events:user';
    const request = { group: 'g', stream, holder: 'first', ttlMs: 0 };
    const token = (await acquireLease(db, request)) ?? 0n;
    let later = 0n;
    const ordered = consumer(
      async () => {
        later = (await acquireLease(db, { ...request, holder: 'second', ttlMs: 60_000 })) ?? 0n;
      },
      { ordering: 'aggregate' },
    );
    const first = { ...odd(), lease: { stream, token } };
    const second = {
      ...work(),
      get lease() {
        return { stream, token: later };
      },
    };

    expect(await handleBoth(ordered, [first, second])).toMatchObject([
      { kind: 'interrupted', cause: 'fenced' },
      done,
    ]);
    expect(await bench.effects()).toEqual([eventIdOf(second)]);
  });

  it('that breaks in between leaves the first unknown and interrupts the second, at no cost to either', async () => {
    const { proxy, pool: proxied, close } = await throughProxy();
    const works = [work(), work()] as const;
    const seen: string[] = [];
    const counting = defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          seen.push(event.id);
          await trx.insertInto('effects').values({ event_id: event.id, note: '' }).execute();
        }),
      ],
    });

    // One write: COMMIT of the first, BEGIN and inbox row of the second.
    const swallowed = proxy.swallowReply(isCommitAndBegin);
    const [first, second] = await handleBoth(counting, works, { pool: proxied });
    await swallowed;

    expect(first).toMatchObject({ kind: 'interrupted', error: { code: 'commit_unknown' } });
    expect(second).toMatchObject({ kind: 'interrupted', cause: 'database' });
    const again = await handleBoth(counting, works, { pool: proxied });
    expect(again).toEqual([{ kind: 'settled', how: 'duplicate' }, undefined]);
    const { handle } = bench.dispatcher(counting, { pool: proxied });
    expect(await handle(works[1], never)).toEqual(done);
    expect(seen).toEqual(works.map(eventIdOf));
    expect(await bench.effects()).toEqual(works.map(eventIdOf).sort());
    await close();
  });

  it('is not cancelled under the COMMIT of the first when the second is stopped', async () => {
    await bench.database.pool.query(`
      create table gate as select 1;
      create function slow() returns trigger language plpgsql as $$ begin
        while exists (select from gate) loop perform pg_sleep(0.05); end loop;
        return null; end $$;
      create constraint trigger slow after insert on effects deferrable initially deferred
        for each row execute function slow()`);
    const stop = new AbortController();
    const works = [work(), work()] as const;

    const both = handleBoth(consumer(), works, { signal: stop.signal });
    await eventually(async () => {
      const { rowCount } = await bench.database.pool.query(
        "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
      );
      return rowCount === 1;
    });
    stop.abort(new Error('SIGTERM'));
    // Time in which a cancellation would have struck.
    const since = performance.now();
    await eventually(() => performance.now() - since > 1_000);
    await bench.database.pool.query('delete from gate');
    const [first, second] = await both;

    expect(first).toEqual(done);
    expect(second).toMatchObject({ kind: 'interrupted', cause: 'shutdown' });
    expect(await bench.effects()).toEqual([eventIdOf(works[0])]);
    await bench.untilIdle();
  });

  it('carries one batch after the other', async () => {
    const { handleTogether } = bench.dispatcher(consumer(undefined, { transaction: 'batch' }), { pool });
    const batches = Array.from({ length: 3 }, () => Array.from({ length: 20 }, () => work()));
    const waiting = [...batches];
    const settled: Promise<Settlement[]>[] = [];
    const next = () => {
      const following = waiting.shift();
      if (following !== undefined) settled.push(handleTogether(following, never, whenCommitting(next)));
    };
    next();
    await eventually(() => settled.length === batches.length);

    expect((await Promise.all(settled)).flat()).toEqual(batches.flat().map(() => done));
    expect(await bench.effects()).toEqual(batches.flat().map(eventIdOf).sort());
    expect(await connections()).toHaveLength(1);
    expect(pool.idleCount).toBe(1);
  });
});
