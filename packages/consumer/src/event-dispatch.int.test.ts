import { userCreated, userRenamed } from '@event-bus/contracts';
import { CompiledQuery, sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { HandlerTimeoutError, TransactionAbortedError, TransactionEndedError } from './errors.ts';
import type { HandlerContext } from './handler.ts';
import { deadLetter, retryAfter, skip } from './outcome.ts';
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

test('the effect, its inbox row and nothing else are committed together', async () => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          await leave(trx, event.id, event.payload.name);
        }),
      ],
    }),
  );
  const given = work();

  expect(await handle(given, never)).toEqual({ kind: 'settled', how: 'done' });

  expect(await bench.effects()).toEqual([eventIdOf(given)]);
  expect(await bench.inbox()).toEqual([
    { event_id: eventIdOf(given), outcome: 'done', reason: null, attempt: 1 },
  ]);
  await bench.untilIdle();
});

test.each(['none', 'aggregate'] as const)(
  'the same event in two entries, handled by two dispatchers at once, has its effect once (ordering: %s)',
  async (ordering) => {
    let calls = 0;
    const consumer = defineConsumer({
      group: 'g',
      ordering,
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          calls += 1;
          await leave(trx, event.id);
          await sql`select pg_sleep(0.05)`.execute(trx);
        }),
      ],
    });
    const dispatchers = [bench.dispatcher(consumer), bench.dispatcher(consumer)];
    const first = delivery();
    const pairs = Array.from({ length: 20 }, () => delivery()).concat(first);

    const settlements = await Promise.all(
      pairs.flatMap((entry) =>
        dispatchers.map(({ handle }) => handle(work({ ...entry, id: delivery().id }), never)),
      ),
    );

    expect(calls).toBe(21);
    expect((await bench.effects()).length).toBe(21);
    expect(settlements.filter(({ kind }) => kind === 'settled')).toHaveLength(42);
    expect(settlements.filter((s) => s.kind === 'settled' && s.how === 'duplicate')).toHaveLength(21);
  },
);

test('a replayed event is handled again, once per replay, and told apart', async () => {
  const keys: string[] = [];
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { idempotencyKey }) => {
          keys.push(`${event.replay?.id ?? 'live'} ${idempotencyKey}`);
        }),
      ],
    }),
  );
  const entry = delivery();
  const replayed = delivery({ ...entry.fields, replay_id: 'r1' });

  await handle(work(entry), never);
  await handle(work(replayed), never);
  expect(await handle(work(replayed), never)).toEqual({ kind: 'settled', how: 'duplicate' });

  const id = entry.fields.event_id;
  expect(keys).toEqual([`live g:${id}`, `r1 g:${id}:r1`]);
});

test('an old version reaches the handler as the newest', async () => {
  const names: string[] = [];
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userCreated, (event) => {
          names.push(event.payload.name);
        }),
      ],
    }),
  );

  await handle(work(delivery({ event_type: 'user.created', payload: '{"email":"ada@example.com"}' })), never);

  expect(names).toEqual(['ada']);
});

test.each([
  ['a payload that does not fit', { payload: '{"name":""}' }, /^undecodable: .*payload\.name/],
  ['a payload that is not JSON', { payload: '{' }, /^undecodable: .*not JSON/],
  ['a version that is not known', { event_version: '9' }, /^undecodable: .*newer/],
  ['a type that is not known', { event_type: 'user.exploded' }, /^undecodable: .*not in the catalogue/],
  ['fields that are no event', { event_id: 'x', tenant_id: '' }, /^undecodable: .*event_id.*tenant_id/],
])('%s is given up at once, with the reason, without the handler', async (_, fields, reason) => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, () => {
          throw new Error('called');
        }),
      ],
    }),
  );

  expect(await handle(work(delivery(fields)), never)).toMatchObject({
    kind: 'given-up',
    reason: expect.stringMatching(reason) as string,
  });
  expect(bench.logs).toContainEqual(expect.objectContaining({ level: 'error', group: 'g' }));
  expect(await bench.inbox()).toEqual([]);
});

test('types without a handler are passed over without a trace, and unknown ones too if the consumer says so', async () => {
  const handlers = [on(userRenamed, () => undefined)];
  const strict = bench.dispatcher(defineConsumer({ group: 'g', handlers }));
  const lenient = bench.dispatcher(defineConsumer({ group: 'h', unknownEvents: 'skip', handlers }));
  const passedOver = (eventType: string) => ({ kind: 'unhandled', eventType });

  expect(await strict.handle(work(delivery({ event_type: 'user.deleted', payload: '!' })), never)).toEqual(
    passedOver('user.deleted'),
  );
  expect(await lenient.handle(work(delivery({ event_type: 'user.exploded' })), never)).toEqual(
    passedOver('user.exploded'),
  );
  expect(await bench.inbox()).toEqual([]);
  expect(bench.logs).toEqual([]);
});

test('a handler that throws leaves nothing, and its attempts end with giving up', async () => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      retry: { maxAttempts: 3, backoff: (attempt) => attempt * 10 },
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          await leave(trx, event.id);
          throw new Error('no luck');
        }),
      ],
    }),
  );
  const { delivery: entry } = work();

  expect(await handle(work(entry, 2), never)).toMatchObject({
    kind: 'failed',
    counted: true,
    reason: 'error',
    delayMs: 20,
    error: { message: 'no luck' },
  });
  expect(await handle(work(entry, 3), never)).toMatchObject({
    kind: 'given-up',
    reason: 'attempts used up: 3 of 3 failed',
    error: { message: 'no luck' },
  });
  expect(await bench.effects()).toEqual([]);
  expect(await bench.inbox()).toEqual([]);
});

test('an SQL error that a handler lets through tells which of its lines it came from', async () => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async function lineOfTheHandler(_, { trx }) {
          await sql`select 1/0`.execute(trx);
        }),
      ],
    }),
  );

  expect(await handle(work(), never)).toHaveProperty(
    'error.stack',
    expect.stringMatching(/division by zero.*lineOfTheHandler.*event-dispatch/s),
  );
});

test('skip keeps what was written and says why; retryAfter and deadLetter keep nothing', async () => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      maxDeferral: '1h',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          await leave(trx, event.id);
          if (event.payload.name === 'skip') return skip('not ours');
          if (event.payload.name === 'later') return retryAfter('2m', 'too early');
          return deadLetter('nobody knows how');
        }),
      ],
    }),
  );
  const named = (name: string, id?: string) =>
    work(delivery({ payload: JSON.stringify({ name }) }, id === undefined ? {} : { id }));
  const skipped = named('skip');

  expect(await handle(skipped, never)).toEqual({ kind: 'settled', how: 'skipped' });
  expect(await handle(named('later'), never)).toMatchObject({
    kind: 'failed',
    counted: false,
    reason: 'retry-after',
    delayMs: 120_000,
  });
  const old = `${Date.now() - 3_700_000}-0`;
  expect(await handle(named('later', old), never)).toMatchObject({ kind: 'failed', counted: true });
  expect(await handle(named('never'), never)).toMatchObject({
    kind: 'given-up',
    reason: 'dead-lettered by its handler: nobody knows how',
  });
  expect(await bench.effects()).toEqual([eventIdOf(skipped)]);
  expect(await bench.inbox()).toEqual([
    { event_id: eventIdOf(skipped), outcome: 'skipped', reason: 'not ours', attempt: 1 },
  ]);
});

test('an SQL error that the handler swallows rolls everything back and is told', async () => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          await leave(trx, event.id);
          await sql`select 1/0`.execute(trx).catch(() => undefined);
        }),
      ],
    }),
  );

  const settlement = await handle(work(), never);

  expect(settlement).toMatchObject({ kind: 'failed', counted: true, reason: 'error' });
  expect(settlement).toHaveProperty('error', expect.any(TransactionAbortedError));
  expect(settlement).toHaveProperty('error.message', expect.stringContaining('division by zero'));
  expect(await bench.effects()).toEqual([]);
  expect(await bench.inbox()).toEqual([]);
});

test('statements that still run when one of several fails are waited for, and leave nothing', async () => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx }) => {
          const inserts = Array.from({ length: 30 }, () => leave(trx, event.id));
          await Promise.all([Promise.reject(new Error('one of them')), ...inserts]);
        }),
      ],
    }),
  );

  expect(await handle(work(), never)).toMatchObject({ kind: 'failed', error: { message: 'one of them' } });
  expect(await bench.effects()).toEqual([]);
  await bench.untilIdle();
});

test('statements that were not awaited belong to the transaction, and later ones are refused', async () => {
  let late: Promise<unknown> | undefined;
  let kept: Context['trx'] | undefined;
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, (event, { trx }) => {
          void leave(trx, event.id);
          late = Promise.resolve().then(() => Promise.resolve().then(() => leave(trx, event.id, 'late')));
          late.catch(() => undefined);
          kept = trx;
        }),
      ],
    }),
  );
  const given = work();

  expect(await handle(given, never)).toEqual({ kind: 'settled', how: 'done' });

  expect(await bench.effects()).toContain(eventIdOf(given));
  const after = kept === undefined ? undefined : leave(kept, eventIdOf(given));
  await expect(after).rejects.toThrow(TransactionEndedError);
  await expect(after).rejects.toThrow(/await every statement/);
  await late?.catch(() => undefined);
});

test('a handler that hangs in itself is timed out, told so, and its late statements are refused', async () => {
  let aborted: unknown;
  const released = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      timeout: '200ms',
      handlers: [
        on(userRenamed, async (event, { trx, signal }) => {
          signal.addEventListener('abort', () => {
            aborted = signal.reason;
          });
          // Where this takes longer than it may, the time is up before it hangs.
          await leave(trx, event.id).catch(() => 'cancelled');
          await released.promise;
          await leave(trx, event.id).then(ended.resolve, ended.resolve);
        }),
      ],
    }),
  );

  const settlement = await handle(work(), never);

  expect(settlement).toMatchObject({ kind: 'failed', counted: true, reason: 'timeout' });
  expect(aborted).toBeInstanceOf(HandlerTimeoutError);
  await bench.untilIdle();
  expect(bench.pool.idleCount).toBe(bench.pool.totalCount);
  released.resolve();
  expect(await ended.promise).toBeInstanceOf(TransactionEndedError);
  expect(await bench.effects()).toEqual([]);
});

test('a statement that hangs is cancelled on the server when the time is up', async () => {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      timeout: '200ms',
      handlers: [
        on(userRenamed, async (_, { trx }) => {
          await sql`select pg_sleep(600)`.execute(trx);
        }),
      ],
    }),
  );

  expect(await handle(work(), never)).toMatchObject({ kind: 'failed', reason: 'timeout' });

  await bench.untilIdle();
});

test.each([
  ['an insert', 'insert into effects (event_id, note) values ($1, $2)'],
  ['one that returns', 'insert into effects (event_id, note) values ($1, $2) returning note'],
])(
  'a table that changes under a running consumer costs %s one attempt, and no more',
  async (_, statement) => {
    const { handle } = bench.dispatcher(
      defineConsumer({
        group: 'g',
        handlers: [
          on(userRenamed, async (event, { trx }) => {
            await trx.executeQuery(CompiledQuery.raw(statement, [event.id, '"a note"']));
          }),
        ],
      }),
    );
    expect(await handle(work(), never)).toEqual({ kind: 'settled', how: 'done' });
    await bench.database.pool.query('alter table effects alter note type jsonb using to_jsonb(note)');
    const given = work();

    const first = await handle(given, never);

    if (first.kind !== 'settled') {
      expect(await handle({ ...given, attempt: 2 }, never)).toEqual({ kind: 'settled', how: 'done' });
    }
    expect(await bench.effects()).toContain(eventIdOf(given));
  },
);

test('what is logged of a failure names the event and holds none of its data', async () => {
  await bench.database.pool.query('alter table effects add check (note <> $$Ada Lovelace$$)');
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      handlers: [
        on(userRenamed, async (event, { trx, log }) => {
          log.info({}, 'from the handler');
          await leave(trx, event.id, event.payload.name);
        }),
      ],
    }),
  );
  const given = work(delivery({ payload: '{"name":"Ada Lovelace"}' }), 2);

  await handle(given, never);

  const about = { group: 'g', event_id: eventIdOf(given), event_type: 'user.renamed', attempt: 2 };
  expect(bench.logs).toHaveLength(2);
  for (const line of bench.logs) expect(line).toMatchObject(about);
  expect(bench.logs[1]).toMatchObject({ err: { code: '23514' } });
  expect(JSON.stringify(bench.logs)).not.toContain('Lovelace');
});
