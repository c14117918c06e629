import { userRenamed } from '@event-bus/contracts';
import { acquireLease } from '@event-bus/inbox';
import { eventually } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { LeaseLostError } from './errors.ts';
import {
  type Bench,
  createBench,
  defineConsumer,
  delivery,
  eventIdOf,
  never,
  on,
  work,
} from './testing/bench.ts';

let bench: Bench;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
});

afterEach(() => bench.close());

const stream = 'events:user';

async function acquire(holder: string, ttlMs: number) {
  const token = await acquireLease(bench.database.db, { group: 'g', stream, holder, ttlMs });
  if (token === null) throw new Error(`${holder} did not get the lease`);
  return { stream, token };
}

function orderedConsumer(transaction: 'event' | 'batch', act: (eventId: string) => Promise<void>) {
  return defineConsumer({
    group: 'g',
    ordering: 'aggregate',
    transaction,
    handlers: [
      on(userRenamed, async (event, { trx }) => {
        await trx.insertInto('effects').values({ event_id: event.id, note: '' }).execute();
        await act(event.id);
      }),
    ],
  });
}

test.each(['event', 'batch'] as const)(
  'a holder that lost its lease while in the handler cannot commit (a transaction per %s)',
  async (transaction) => {
    const first = await acquire('first', 0);
    const { handleTogether } = bench.dispatcher(
      orderedConsumer(transaction, async () => {
        await acquire('second', 60_000);
      }),
    );

    const works = transaction === 'batch' ? [delivery(), delivery()] : [delivery()];
    const settlements = await handleTogether(
      works.map((entry) => work(entry, 1, first)),
      never,
    );

    for (const settlement of settlements) {
      expect(settlement).toMatchObject({ kind: 'interrupted', cause: 'fenced' });
      expect(settlement).toHaveProperty('error', expect.any(LeaseLostError));
    }
    expect(await bench.effects()).toEqual([]);
    expect(await bench.inbox()).toEqual([]);
  },
);

test('the present holder commits, also when its lease has expired and nobody took it', async () => {
  const lease = await acquire('first', 0);
  const { handle } = bench.dispatcher(orderedConsumer('event', async () => undefined));
  const given = work(delivery(), 1, lease);

  expect(await handle(given, never)).toEqual({ kind: 'settled', how: 'done' });
  expect(await bench.effects()).toEqual([eventIdOf(given)]);
});

test('a frozen holder is thrown out of its transaction, so that its successor can handle the event', async () => {
  const entry = delivery();
  const frozen = await bench.database.pool.connect();
  frozen.on('error', () => undefined);
  await frozen.query('begin');
  await frozen.query(
    "insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt) values ('g', $1, $2, 'done', 's', '1-1', 1)",
    [entry.fields.event_id, entry.fields.occurred_at],
  );
  await frozen.query("set local idle_in_transaction_session_timeout = '400ms'");
  const { handle } = bench.dispatcher(orderedConsumer('event', async () => undefined));

  expect(await handle(work(entry, 1, await acquire('second', 60_000)), never)).toEqual({
    kind: 'settled',
    how: 'done',
  });
  frozen.release(true);
});

test('every transaction bounds how long nothing may be heard of its process', async () => {
  const limits: string[] = [];
  const consumer = defineConsumer({
    group: 'g',
    handlers: [
      on(userRenamed, async (_, { trx }) => {
        const { rows } = await sql<{ limit: string }>`
          select current_setting('idle_in_transaction_session_timeout') as limit`.execute(trx);
        limits.push(rows[0]?.limit ?? '');
      }),
    ],
  });

  await bench.dispatcher(consumer).handle(work(), never);
  await bench.dispatcher(consumer, { transactionIdleMs: 7_000 }).handle(work(), never);

  expect(limits).toEqual(['30s', '7s']);
});

test.each(['event', 'batch'] as const)(
  'a transaction is not ended while its process lives, however long its handlers wait (a transaction per %s)',
  async (transaction) => {
    const transactionIdleMs = 1_000;
    const count = transaction === 'batch' ? 3 : 1;
    let calls = 0;
    const consumer = orderedConsumer(transaction, async () => {
      calls += 1;
      const untilMs = transactionIdleMs * (calls + 1);
      await eventually(async () => {
        const { rows } = await bench.database.pool.query<{ is_over: boolean }>(
          `select coalesce(clock_timestamp() - min(xact_start) > make_interval(secs => $1::float8 / 1000), true) as is_over
            from pg_stat_activity where application_name = 'dispatcher' and datname = current_database()`,
          [untilMs],
        );
        return rows[0]?.is_over === true;
      });
    });
    const lease = await acquire('first', 60_000);
    const works = Array.from({ length: count }, () => work(delivery({ aggregate_id: 'a' }), 1, lease));

    const settlements = await bench.dispatcher(consumer, { transactionIdleMs }).handleTogether(works, never);

    expect(settlements).toEqual(works.map(() => ({ kind: 'settled', how: 'done' })));
    expect(calls).toBe(count);
  },
);

test('an event that comes after a later one of its aggregate is handled, and told', async () => {
  const lease = await acquire('first', 60_000);
  const { handle, handleTogether } = bench.dispatcher(orderedConsumer('batch', async () => undefined));
  const at = (position: string, fields = {}) =>
    work(delivery({ aggregate_id: 'a', position, ...fields }), 1, lease);
  const [second, third] = [at('2'), at('3')];

  await handleTogether([second, third], never);
  await handle(second, never);
  await handle(at('1', { replay_id: 'r1' }), never);
  expect(bench.logs).toEqual([]);
  expect(await handle(at('1'), never)).toEqual({ kind: 'settled', how: 'done' });

  expect(bench.logs).toEqual([
    expect.objectContaining({ level: 'error', group: 'g', aggregate_id: 'a', position: '1', after: '3' }),
  ]);
  expect((await bench.effects()).length).toBe(4);
});
