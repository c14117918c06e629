import { userRenamed } from '@event-bus/contracts';
import { createPool } from '@event-bus/database';
import { startProxy } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { CommitUnknownError } from './errors.ts';
import type { HandlerContext } from './handler.ts';
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

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
});

afterEach(() => bench.close());

const leave = (trx: Context['trx'], eventId: string, note = '') =>
  trx.insertInto('effects').values({ event_id: eventId, note }).execute();

test('a shutdown interrupts handlers, those that wait for a connection, and costs nothing', async () => {
  const pool = createPool({ url: bench.database.url, applicationName: 'small', max: 1, pipeline: true });
  const started = Promise.withResolvers<void>();
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          await leave(trx, event.id);
          started.resolve();
          await new Promise(() => undefined);
        }),
      ],
    }),
    { pool },
  );
  const stop = new AbortController();

  const running = [handle(work(), stop.signal), handle(work(), stop.signal)];
  await started.promise;
  stop.abort(new Error('SIGTERM'));

  for (const settlement of await Promise.all(running)) {
    expect(settlement).toMatchObject({ kind: 'interrupted', cause: 'shutdown' });
  }
  expect(await handle(work(), stop.signal)).toMatchObject({ kind: 'interrupted', cause: 'shutdown' });
  expect(await bench.effects()).toEqual([]);
  await pool.end();
});

test('a backend that is terminated under the handler interrupts it; its own error would count', async () => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          await leave(trx, event.id);
          if (event.payload.name === 'unrelated') throw new Error('unrelated');
          await sql`select pg_terminate_backend(pg_backend_pid())`.execute(trx);
        }),
      ],
    }),
  );

  expect(await handle(work(), never)).toMatchObject({ kind: 'interrupted', cause: 'database' });
  expect(await handle(work(delivery({ payload: '{"name":"unrelated"}' })), never)).toMatchObject({
    kind: 'failed',
    error: { message: 'unrelated' },
  });
  expect(await bench.effects()).toEqual([]);
});

test('a connection lost while idle in the handler interrupts it when it would commit', async () => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          await leave(trx, event.id);
          const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx);
          await bench.database.pool.query('select pg_terminate_backend($1, 5000)', [rows[0]?.pid]);
        }),
      ],
    }),
  );

  expect(await handle(work(), never)).toMatchObject({ kind: 'interrupted', cause: 'database' });
  expect(await bench.effects()).toEqual([]);
});

test('a COMMIT whose reply is lost is unknown, and the redelivery finds out', async () => {
  const port = Number(new URL(bench.database.url).port);
  const proxy = await startProxy(port);
  const url = new URL(bench.database.url);
  url.port = String(proxy.port);
  const pool = createPool({ url: url.href, applicationName: 'proxied', max: 2, pipeline: true });
  let calls = 0;
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          calls += 1;
          await leave(trx, event.id);
        }),
      ],
    }),
    { pool },
  );
  const given = work();

  const swallowed = proxy.swallowReply((request) => request.includes('commit\0'));
  const settlement = await handle(given, never);
  await swallowed;

  expect(settlement).toMatchObject({ kind: 'interrupted', cause: 'database' });
  expect(settlement).toHaveProperty('error', expect.any(CommitUnknownError));
  expect(await handle(given, never)).toEqual({ kind: 'settled', how: 'duplicate' });
  expect(calls).toBe(1);
  expect(await bench.effects()).toEqual([eventIdOf(given)]);
  await pool.end();
  await proxy.close();
});

test('a database that is away interrupts, and so does a pool that was closed', async () => {
  const url = new URL(bench.database.url);
  url.port = '1';
  const away = createPool({ url: url.href, applicationName: 'away', pipeline: true });
  const consumer = defineConsumer({ group: 'g', handlers: [on(userRenamed, () => undefined)] });

  expect(await bench.dispatcher(consumer, { pool: away }).handle(work(), never)).toMatchObject({
    kind: 'interrupted',
    cause: 'database',
  });
  await away.end();
  expect(await bench.dispatcher(consumer, { pool: away }).handle(work(), never)).toMatchObject({
    kind: 'interrupted',
    cause: 'database',
  });
});

test('a transaction that loses against another is run again at no cost, but not for ever', async () => {
  let calls = 0;
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx, attempt }) => {
          calls += 1;
          await leave(trx, event.id, String(attempt));
          if (event.payload.name === 'unlucky' || calls < 3) {
            await sql`do $$ begin raise exception using errcode = '40001'; end $$`.execute(trx);
          }
        }),
      ],
    }),
  );

  expect(await handle(work(), never)).toEqual({ kind: 'settled', how: 'done' });
  expect(calls).toBe(3);
  expect(await handle(work(delivery({ payload: '{"name":"unlucky"}' })), never)).toMatchObject({
    kind: 'failed',
    counted: true,
    error: { code: '40001' },
  });
  expect((await bench.effects()).length).toBe(1);
});

test('a constraint that is deferred to COMMIT is the failure of the handler', async () => {
  await bench.database.pool.query(
    'create table parents (id int primary key); create table children (id int references parents deferrable initially deferred)',
  );
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (_, { trx }) => {
          await sql`insert into children values (1)`.execute(trx);
        }),
      ],
    }),
  );

  expect(await handle(work(), never)).toMatchObject({
    kind: 'failed',
    counted: true,
    error: { code: '23503' },
  });
  expect(await bench.inbox()).toEqual([]);
});
