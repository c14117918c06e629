import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { exponential } from '../retry-policy.ts';
import { createGroupBench, type GroupBench } from './testing/group-bench.ts';

let bench: GroupBench;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

const aggregates = (count: number, name = 'good') => Array.from({ length: count }, (_, n) => `${name}-${n}`);
const quickly = exponential('20ms', { max: '50ms' });

/** Has PostgreSQL do this, in PL/pgSQL, when a handler leaves its effect for a poisoned aggregate. */
async function poison(statement: string): Promise<void> {
  await bench.database.pool.query(`
    create function poison() returns trigger language plpgsql as $$ begin ${statement}; return new; end $$;
    create trigger poison before insert on effects
      for each row when (new.aggregate_id like 'poison%') execute function poison()`);
}

const ofGood = async (group: string) =>
  (await bench.effects(group)).filter(({ aggregate_id }) => aggregate_id !== 'poison');

const downfalls = [
  { how: 'is refused memory', statement: `raise exception 'out of memory' using errcode = '53200'` },
  { how: 'ends its own session', statement: 'perform pg_terminate_backend(pg_backend_pid())' },
] as const;

describe.each([
  { ordering: 'aggregate', transaction: 'event' },
  { ordering: 'none', transaction: 'batch' },
  { ordering: 'aggregate', transaction: 'batch' },
] as const)('an event (ordering $ordering, transaction $transaction)', (kind) => {
  it.each(downfalls)(
    'whose statement $how holds up its aggregate alone, and is named',
    async ({ statement }) => {
      await poison(statement);
      const consumer = bench.consumer({ ...kind, retry: { maxAttempts: 1, backoff: quickly } });
      const [first, ...rest] = await bench.publish('poison', ...aggregates(20), 'poison');
      if (first === undefined) throw new Error('nothing was published');
      const runner = bench.start(consumer);

      await eventually(async () => (await ofGood(consumer.group)).length === 20);
      await eventually(async () => (await bench.failureOf(consumer.group, first)) !== null);
      const later = await bench.publish(...aggregates(20, 'later'));
      await eventually(async () => (await ofGood(consumer.group)).length === 40);

      // Nobody knows whether it is to blame: it is tried on, and nothing counts.
      expect(await bench.failureOf(consumer.group, first)).toMatchObject({ attempts: 0, final: false });
      expect(runner.logs.filter(({ event_id }) => event_id === first.eventId)).not.toEqual([]);
      await bench.database.pool.query('drop trigger poison on effects');
      await bench.nothingPending(consumer.group);
      const effects = await bench.effects(consumer.group);
      expect(effects.map(({ event_id }) => event_id).sort()).toEqual(
        [first, ...rest, ...later].map(({ eventId }) => eventId).sort(),
      );
      expect(effects.every(({ attempt }) => attempt === 1)).toBe(true);
      if (kind.ordering === 'none') return;
      const ofPoison = effects.filter(({ aggregate_id }) => aggregate_id === 'poison');
      expect(ofPoison.map(({ event_id }) => event_id)).toEqual([first.eventId, rest.at(-1)?.eventId]);
    },
  );

  it('that goes beyond what a session may use has only itself to blame, and is given up', async () => {
    await poison(`raise exception 'temporary file size exceeds' using errcode = '53400'`);
    const consumer = bench.consumer({ ...kind, retry: { maxAttempts: 3, backoff: quickly } });
    const [first] = await bench.publish('poison', ...aggregates(20));
    if (first === undefined) throw new Error('nothing was published');
    bench.start(consumer);

    await eventually(async () => (await bench.failureOf(consumer.group, first))?.final === true);
    await eventually(async () => (await ofGood(consumer.group)).length === 20);

    expect(await bench.failureOf(consumer.group, first)).toMatchObject({ attempts: 3, kind: 'attempts' });
    expect((await ofGood(consumer.group)).every(({ attempt }) => attempt === 1)).toBe(true);
  });

  it('costs no other an attempt, should the database go away from each of them', async () => {
    const met = new Set<string>();
    const consumer = bench.consumer(
      { ...kind, retry: { maxAttempts: 1, backoff: quickly } },
      async ({ eventId }) => {
        if (met.has(eventId)) return;
        met.add(eventId);
        await bench.database.pool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and application_name = 'runner first'`,
        );
      },
    );
    await bench.publish(...aggregates(10), ...aggregates(10));
    bench.start(consumer);
    await bench.nothingPending(consumer.group);

    const effects = await bench.effects(consumer.group);
    expect(effects.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 20 }, () => 1));
    expect(await bench.letters(consumer.group)).toEqual([]);
  });
});
