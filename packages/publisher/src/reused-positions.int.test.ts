import { eventually } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { audit, type Bench, createBench, sound } from './testing.ts';

let bench: Bench;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
});

afterEach(() => bench.close());

const setBack = (position: number) => sql`select setval('outbox_position', ${position})`.execute(bench.db);
const named = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}-${n}`);

/** Ten events, published. */
async function publishTen(): Promise<void> {
  const publisher = bench.start();
  await bench.insert(named('first', 10));
  await isWhole();
  await publisher.stop();
}

const isWhole = () =>
  eventually(async () => {
    expect(await audit(bench)).toMatchObject(sound);
    return true;
  });

/** Does what the refusal of a publisher says. */
async function mend(): Promise<void> {
  const refusal = await bench.start().ended.then(
    () => '',
    (error: Error) => error.message,
  );
  const [statement = ''] = /select outbox_append_again\('.*?'\)/.exec(refusal) ?? [];
  expect(statement, refusal).not.toBe('');
  await sql.raw(statement).execute(bench.db);
}

test.each([
  { to: 4, appended: 8 },
  { to: 9, appended: 1 },
  { to: 1, appended: 40 },
])(
  'a sequence that was set back to $to and has passed the cursor again with $appended events is refused, and what the refusal says mends it',
  async ({ to, appended }) => {
    await publishTen();
    await setBack(to);
    const again = await bench.insert(named('again', appended));
    await mend();
    bench.start();

    await isWhole();
    expect((await bench.entries('events:user')).map((entry) => entry.eventId)).toEqual(
      expect.arrayContaining(again),
    );
    expect((await audit(bench)).repeated).toEqual([]);
  },
);

test('it is noticed also when the partitions with the former events were dropped', async () => {
  await publishTen();
  await sql`delete from outbox_events`.execute(bench.db);
  await setBack(4);
  await bench.insert(named('again', 8));
  await mend();
  bench.start();

  await eventually(async () => (await audit(bench)).missing.length === 0);
});

test('what was drawn again and rolled back is nothing to refuse', async () => {
  await publishTen();
  await setBack(4);
  const doomed = await bench.db.startTransaction().execute();
  await sql`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    select 'user', 'doomed', 'test.happened', 'acme', 'alice', '{}' from generate_series(1, 6)`.execute(
    doomed,
  );
  await doomed.rollback().execute();
  await bench.insert(['later']);
  bench.start();

  await isWhole();
});

test('a sequence that is set back while a publisher leads ends the publisher', async () => {
  const publisher = bench.start();
  await bench.insert(named('first', 10));
  await isWhole();
  await setBack(4);

  await expect(publisher.ended).rejects.toThrow(/stands at 4, behind the published position 10/);
  await bench.insert(named('again', 2));
  await setBack(10);
  await mend();
  bench.start();
  await isWhole();
});
