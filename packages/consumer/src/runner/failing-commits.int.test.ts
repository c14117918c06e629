import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { createGroupBench, type GroupBench } from './testing/group-bench.ts';

let bench: GroupBench;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

/** Has COMMIT fail where a handler has left its effect for a bad aggregate. */
async function refuseAtCommit(sqlState: string): Promise<void> {
  await bench.database.pool.query(`
    create function refuse() returns trigger language plpgsql
      as $$ begin raise exception 'refused at COMMIT' using errcode = '${sqlState}'; end $$;
    create constraint trigger refuse after insert on effects deferrable initially deferred
      for each row when (new.aggregate_id like 'bad%') execute function refuse()`);
}

describe.each([
  // A conflict is tried again at once, and a batch that fails is handled one by one.
  { transaction: 'event', sqlState: '40001', atOnce: 1 },
  { transaction: 'batch', sqlState: '23514', atOnce: 10 },
] as const)('what is handled anew after its COMMIT failed (transaction $transaction)', (kind) => {
  const { transaction, sqlState, atOnce } = kind;

  it('counts towards the concurrency of its group', async () => {
    await refuseAtCommit(sqlState);
    let most = 0;
    const consumer = bench.consumer(
      {
        transaction,
        concurrency: 1,
        circuitBreaker: false,
        retry: { maxAttempts: 1 },
        ...(transaction === 'batch' && { batchSize: atOnce }),
      },
      () => {
        most = Math.max(most, runner.runner.status().running);
      },
    );
    const names = Array.from({ length: 100 }, (_, n) => (n % 10 === 0 ? `bad-${n}` : `good-${n}`));
    await bench.publish(...names);
    const runner = bench.start(consumer);

    await eventually(async () => (await bench.effects(consumer.group)).length === 90);
    await eventually(async () => {
      const pending = await bench.pendingOf(consumer.group);
      return pending.length === 10 && pending.every(({ failure }) => failure?.final === true);
    });

    // What waits for its COMMIT makes room for as much again, and for no more.
    expect(most).toBeLessThanOrEqual(2 * atOnce);
  });
});
