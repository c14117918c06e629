import { userCreated, userDeleted, userRenamed } from '@event-bus/contracts';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { Duration } from './duration.ts';
import type { HandlerContext } from './handler.ts';
import { deadLetter, retryAfter, skip } from './outcome.ts';
import {
  type Bench,
  countKinds,
  createBench,
  defineConsumer,
  delivery,
  type EffectsDatabase,
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

type Context = HandlerContext<EffectsDatabase>;

const leave = (trx: Context['trx'], eventId: string, note = '') =>
  trx.insertInto('effects').values({ event_id: eventId, note }).execute();

/** A consumer in batches whose handlers leave an effect, and that of an odd event then does what is asked for. */
function batchConsumer(
  act: (context: Context, eventId: string) => unknown,
  options: {
    readonly ordering?: 'aggregate';
    readonly seen?: string[];
    /** Of odd events only: the others may take their time. */
    readonly timeout?: Duration;
  } = {},
) {
  const { seen, timeout = '30s', ...rest } = options;
  const begin = async ({ id }: { readonly id: string }, { trx, attempt }: Context) => {
    seen?.push(`${id} ${attempt}`);
    await leave(trx, id, String(attempt));
  };
  return defineConsumer({
    group: 'g',
    transaction: 'batch',
    ...rest,
    handlers: [
      on(userRenamed, begin),
      on(userDeleted, { timeout }, async (event, context) => {
        await begin(event, context);
        return (await act(context, event.id)) as undefined;
      }),
    ],
  });
}

const odd = { event_type: 'user.deleted', payload: '{}' };
const hundred = (place: number) =>
  Array.from({ length: 100 }, (_, index) => work(delivery(index === place ? odd : {})));

test('a hundred events are handled in one transaction', async () => {
  const { handleTogether } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      transaction: 'batch',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          const { rows } = await sql<{ xid: string }>`select pg_current_xact_id()::text as xid`.execute(trx);
          await leave(trx, event.id, rows[0]?.xid);
        }),
      ],
    }),
  );
  const works = hundred(-1);

  const settlements = await handleTogether(works, never);

  expect(settlements).toEqual(works.map(() => ({ kind: 'settled', how: 'done' })));
  expect(await bench.effects()).toEqual(works.map(eventIdOf).sort());
  const { rows } = await bench.database.pool.query('select distinct note from effects');
  expect(rows).toHaveLength(1);
});

test('the handlers of a batch run side by side, those of one aggregate in order', async () => {
  let running = 0;
  let most = 0;
  const order: string[] = [];
  const { handleTogether } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      transaction: 'batch',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          running += 1;
          most = Math.max(most, running);
          await sql`select 1`.execute(trx);
          if (event.aggregateId === 'same') order.push(`begin ${event.position}`);
          await sql`select 1`.execute(trx);
          if (event.aggregateId === 'same') order.push(`end ${event.position}`);
          running -= 1;
        }),
      ],
    }),
  );
  const same = (position: string) => work(delivery({ aggregate_id: 'same', position }));

  await handleTogether([same('1'), ...hundred(-1), same('2'), same('3')], never);

  expect(most).toBeGreaterThan(50);
  expect(order).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
});

test.each([
  ['throws', () => Promise.reject(new Error('odd')), { kind: 'failed', counted: true, reason: 'error' }],
  [
    'makes PostgreSQL abort the transaction',
    ({ trx }: Context) => sql`select 1/0`.execute(trx),
    { kind: 'failed', counted: true, reason: 'error' },
  ],
  [
    'swallows an SQL error',
    ({ trx }: Context) =>
      sql`select 1/0`.execute(trx).then(
        () => undefined,
        () => undefined,
      ),
    { kind: 'failed', counted: true, reason: 'error' },
  ],
  ['hangs', () => new Promise(() => undefined), { kind: 'failed', counted: true, reason: 'timeout' }],
  [
    'hangs in a statement',
    ({ trx }: Context) => sql`select pg_sleep(600)`.execute(trx),
    { kind: 'failed', counted: true, reason: 'timeout' },
  ],
  ['asks for a dead letter', () => deadLetter('odd'), { kind: 'given-up' }],
  [
    'tries to commit',
    ({ trx }: Context) => sql.raw('commit').execute(trx),
    { kind: 'failed', error: { code: 'statement_refused' } },
  ],
  [
    'makes its connection break',
    ({ trx }: Context) => sql`select pg_terminate_backend(pg_backend_pid())`.execute(trx),
    undefined,
  ],
])(
  'one of a hundred that %s costs its neighbours neither an effect nor an attempt',
  async (how, act, expected) => {
    const hangs = how.startsWith('hangs');
    const { handleTogether } = bench.dispatcher(batchConsumer(act, hangs ? { timeout: '1500ms' } : {}));
    const works = hundred(57);
    const others = works.filter((_, index) => index !== 57).map(eventIdOf);

    const settlements = await handleTogether(works, never);

    if (expected === undefined) {
      expect(countKinds(settlements)).toEqual({ interrupted: 100 });
      expect(await bench.effects()).toEqual([]);
      return;
    }
    expect(settlements[57]).toMatchObject(expected);
    expect(countKinds(settlements.filter((_, index) => index !== 57))).toEqual({ done: 99 });
    expect(await bench.effects()).toEqual(others.sort());
    for (const { attempt } of await bench.inbox()) expect(attempt).toBe(1);
    await bench.untilIdle();
  },
);

test('a statement of a batch that fails after its handler returned rolls the batch back', async () => {
  const { handleTogether } = bench.dispatcher(
    batchConsumer(({ trx }) => {
      sql`select 1/0`.execute(trx).catch(() => undefined);
    }),
  );

  const settlements = await handleTogether(hundred(3), never);

  expect(countKinds(settlements)).toEqual({ done: 99, failed: 1 });
  expect((await bench.effects()).length).toBe(99);
});

test.each([
  ['retry-after', () => retryAfter('5m')],
  ['dead-letter', () => deadLetter('odd')],
])('a batch that is rolled back because of an answer says whose, and which: %s', async (outcome, act) => {
  const { handleTogether } = bench.dispatcher(batchConsumer(act));
  const works = hundred(57);

  await handleTogether(works, never);

  expect(bench.logs).toContainEqual(
    expect.objectContaining({
      events: 100,
      event_id: works[57] && eventIdOf(works[57]),
      outcome,
      msg: 'a batch was rolled back; its events are handled one by one',
    }),
  );
});

test('skipping is settled within the batch', async () => {
  const { handleTogether } = bench.dispatcher(batchConsumer(() => skip('odd')));
  const works = hundred(7);

  const settlements = await handleTogether(works, never);

  expect(countKinds(settlements)).toEqual({ done: 99, skipped: 1 });
  const { rows } = await bench.database.pool.query(
    "select event_id, reason from inbox_events where outcome = 'skipped'",
  );
  expect(rows).toEqual([{ event_id: works[7] && eventIdOf(works[7]), reason: 'odd' }]);
  expect(bench.logs).toEqual([]);
});

test('duplicates inside a batch and of earlier batches are not handled', async () => {
  const seen: string[] = [];
  const { handleTogether } = bench.dispatcher(batchConsumer(() => undefined, { seen }));
  const [first, second] = [delivery(), delivery()];

  expect(await handleTogether([work(first), work({ ...first, id: '9-1' }), work(second)], never)).toEqual([
    { kind: 'settled', how: 'done' },
    { kind: 'settled', how: 'duplicate' },
    { kind: 'settled', how: 'done' },
  ]);
  const again = await handleTogether([work(second), work()], never);

  expect(countKinds(again)).toEqual({ done: 1, duplicate: 1 });
  expect(seen).toHaveLength(3);
});

test('what cannot be decoded or is not handled does not disturb the batch', async () => {
  const { handleTogether } = bench.dispatcher(batchConsumer(() => undefined));

  const settlements = await handleTogether(
    [work(), work(delivery({ payload: '{}' })), work(delivery({ event_type: 'user.created' })), work()],
    never,
  );

  expect(settlements.map(({ kind }) => kind)).toEqual(['settled', 'given-up', 'unhandled', 'settled']);
  expect((await bench.effects()).length).toBe(2);
});

test('two events of a batch that share an ID but not a time both have their effect, each once', async () => {
  const { handleTogether } = bench.dispatcher(batchConsumer(() => undefined));
  const first = delivery();
  const second = delivery({ ...first.fields, occurred_at: '2026-11-24T10:00:00Z' });
  const again = delivery({ ...first.fields, occurred_at: '2026-11-23T10:00:00.123456Z' });

  const settlements = await handleTogether([work(first), work(second), work(again)], never);

  expect(countKinds(settlements)).toEqual({ done: 2, duplicate: 1 });
  expect(await bench.effects()).toHaveLength(2);
  expect(await bench.inbox()).toHaveLength(2);
});

test('batches that share events in opposite orders do not deadlock, and each event has one effect', async () => {
  const consumer = batchConsumer(() => undefined);
  const entries = Array.from({ length: 50 }, () => delivery());
  const forth = entries.map((entry) => work(entry));

  const results = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      bench.dispatcher(consumer).handleTogether(index % 2 === 0 ? forth : forth.toReversed(), never),
    ),
  );

  expect(countKinds(results.flat())).toEqual({ done: 50, duplicate: 250 });
  expect((await bench.effects()).length).toBe(50);
  expect(bench.logs).toEqual([]);
});

test('a shutdown interrupts the whole batch, also before its first handler', async () => {
  const stop = new AbortController();
  const { handleTogether } = bench.dispatcher(
    batchConsumer(() => {
      stop.abort(new Error('SIGTERM'));
      return new Promise(() => undefined);
    }),
  );

  expect(countKinds(await handleTogether(hundred(99), stop.signal))).toEqual({ interrupted: 100 });
  expect(countKinds(await handleTogether(hundred(99), stop.signal))).toEqual({ interrupted: 100 });
  expect(await bench.effects()).toEqual([]);
  expect(await bench.inbox()).toEqual([]);
});

test('at whatever moment a shutdown comes, the inbox holds what was handled and nothing else', async () => {
  const ends = new Set<string>();
  for (let moment = 0; moment < 40; moment += 1) {
    const stop = new AbortController();
    const { handleTogether } = bench.dispatcher(
      batchConsumer(() => {
        let ticks = 0;
        const tick = () => {
          ticks += 1;
          if (ticks > moment) stop.abort(new Error('SIGTERM'));
          else queueMicrotask(tick);
        };
        tick();
      }),
    );
    const aggregate = { aggregate_id: `aggregate-${moment}` };
    const works = [work(delivery({ ...aggregate, ...odd })), work(delivery(aggregate))];
    ends.add(JSON.stringify(countKinds(await handleTogether(works, stop.signal))));
  }

  const recorded = (await bench.inbox()).map(({ event_id }) => event_id);
  expect(await bench.effects()).toEqual(recorded);
  expect([...ends].every((end) => ['{"done":2}', '{"interrupted":2}'].includes(end))).toBe(true);
});

test('in an ordered group, what follows a failed event of its aggregate waits; the others go on', async () => {
  const { handleTogether } = bench.dispatcher(
    batchConsumer(() => Promise.reject(new Error('odd')), { ordering: 'aggregate' }),
  );
  const of = (aggregate: string, position: string, fields = {}) =>
    work(delivery({ aggregate_id: aggregate, position, ...fields }));
  const works = [of('a', '1'), of('a', '2', odd), of('b', '3'), of('a', '4'), of('b', '5')];

  const settlements = await handleTogether(works, never);

  expect(
    settlements.map((settlement) => ('counted' in settlement ? settlement.counted : settlement.kind)),
  ).toEqual(['settled', true, 'settled', 'held-back', 'settled']);
  expect((await bench.effects()).length).toBe(3);
});

test('a handler with two events in its consumer gets each with its own type', async () => {
  const names: string[] = [];
  const { handleTogether } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      transaction: 'batch',
      handlers: [
        on(userRenamed, (event) => {
          names.push(event.payload.name);
        }),
        on(userCreated, (event) => {
          names.push(event.payload.email);
        }),
      ],
    }),
  );

  await handleTogether(
    [work(), work(delivery({ event_type: 'user.created', payload: '{"email":"a@example.com"}' }))],
    never,
  );

  expect(names.sort()).toEqual(['Ada', 'a@example.com']);
});
