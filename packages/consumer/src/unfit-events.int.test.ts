import { userRenamed } from '@event-bus/contracts';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import {
  type Bench,
  countKinds,
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

test.each([
  [
    'a time that PostgreSQL does not know',
    { occurred_at: '2026-11-23T10:00:00+20:00' },
    /^unrecordable: occurred_at "2026-11-23T10:00:00\+20:00" cannot be recorded/,
  ],
  ['a replay with a NUL', { replay_id: 'r\0' }, /^unrecordable: replay_id "r\\u0000" cannot be recorded/],
  [
    'an aggregate with a NUL',
    { aggregate_id: 'a\0' },
    /^unrecordable: aggregate_id "a\\u0000" cannot be recorded/,
  ],
])('%s, which the inbox cannot hold, is given up at once, with the reason', async (_, fields, reason) => {
  let calls = 0;
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      ordering: 'aggregate',
      handlers: [
        on(userRenamed, () => {
          calls += 1;
        }),
      ],
    }),
  );

  expect(await handle(work(delivery(fields)), never)).toMatchObject({
    kind: 'given-up',
    reason: expect.stringMatching(reason) as string,
  });
  expect(bench.logs).toContainEqual(
    expect.objectContaining({ level: 'error', reason: expect.stringMatching(reason) as string }),
  );
  expect(await handle(work(), never)).toEqual({ kind: 'settled', how: 'done' });
  expect(calls).toBe(1);
  await bench.untilIdle();
});

test.each(['none', 'aggregate'] as const)(
  'one of a hundred that the inbox cannot hold is given up and costs its neighbours nothing (ordering: %s)',
  async (ordering) => {
    const { handleTogether } = bench.dispatcher(
      defineConsumer({
        group: 'g',
        transaction: 'batch',
        ordering,
        handlers: [
          on(userRenamed, async (event, { trx }) => {
            await trx.insertInto('effects').values({ event_id: event.id, note: '' }).execute();
          }),
        ],
      }),
    );
    const works = Array.from({ length: 100 }, () => work());
    const unfit = delivery({ occurred_at: '2026-11-23T10:00:00+20:00', aggregate_id: 'shared' });
    works.splice(57, 1, work(unfit));
    works.splice(80, 1, work(delivery({ aggregate_id: 'shared' })));

    const settlements = await handleTogether(works, never);

    expect(settlements[57]).toMatchObject({
      kind: 'given-up',
      reason: expect.stringMatching(/^unrecordable: occurred_at /) as string,
    });
    // In an ordered group the next of its aggregate waits until it is recorded that this one is given up.
    const waiting = ordering === 'aggregate' ? [80] : [];
    for (const index of waiting) expect(settlements[index]).toMatchObject({ kind: 'held-back' });
    expect(countKinds(settlements)).toEqual({
      done: 99 - waiting.length,
      'given-up': 1,
      ...(waiting.length > 0 && { 'held-back': waiting.length }),
    });
    const others = works.filter((_, index) => index !== 57 && !waiting.includes(index)).map(eventIdOf);
    expect(await bench.effects()).toEqual(others.sort());
    expect((await bench.inbox()).map(({ event_id }) => event_id)).toEqual(others);
    for (const { attempt } of await bench.inbox()) expect(attempt).toBe(1);
  },
);
