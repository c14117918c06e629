import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { type Backoff, exponential } from '../retry-policy.ts';
import { createGroupBench, type GroupBench } from './testing/group-bench.ts';

let bench: GroupBench;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

const quickly = exponential('20ms', { max: '50ms' });
/** What has no text, as a value and as the message of an error. */
const textless = () => Object.create(null) as unknown;
const goods = Array.from({ length: 20 }, (_, n) => `good-${n}`);

/** A backoff that is sound while its consumer is defined, and then does this. */
function createSpoilt(then: () => number): { readonly backoff: Backoff; readonly spoil: () => void } {
  let isSpoilt = false;
  return {
    backoff: () => (isSpoilt ? then() : 20),
    spoil: () => {
      isSpoilt = true;
    },
  };
}

describe.each(['event', 'batch'] as const)('with a transaction per %s', (transaction) => {
  it.each<[string, () => unknown]>([
    ['a value', textless],
    ['an error', () => Object.assign(new Error('odd'), { message: textless() })],
  ])(
    'an event whose handler throws %s without a text is given up, and its neighbours are handled',
    async (_, odd) => {
      const consumer = bench.consumer(
        { ordering: 'aggregate', transaction, retry: { maxAttempts: 3, backoff: quickly } },
        ({ aggregateId }) => {
          if (aggregateId === 'poison') throw odd();
        },
      );
      await bench.publish('poison', ...goods);
      const runner = bench.start(consumer);

      await eventually(async () => (await bench.effects(consumer.group)).length === goods.length);
      await eventually(async () => {
        const pending = await bench.pendingOf(consumer.group);
        return pending.length === 1 && pending[0]?.failure?.final === true;
      });

      const [poison] = await bench.pendingOf(consumer.group);
      expect(poison?.failure).toMatchObject({
        attempts: 3,
        error: 'a value of type object that has no text',
      });
      expect(runner.logged('handling events in the database fails')).toBe(false);
    },
  );

  it.each<[string, () => number]>([
    ['gives NaN', () => Number.NaN],
    [
      'throws',
      () => {
        throw new Error('no delays left');
      },
    ],
  ])(
    'a backoff that %s delays an event by the default, and what is behind it is handled',
    async (_, then) => {
      const { backoff, spoil } = createSpoilt(then);
      const consumer = bench.consumer(
        { ordering: 'aggregate', transaction, retry: { maxAttempts: 5, backoff } },
        ({ aggregateId, attempt }) => {
          if (aggregateId === 'poison' && attempt === 1) throw new Error('not the first time');
        },
      );
      await bench.publish('poison', 'poison', ...goods);
      const runner = bench.start(consumer);
      spoil();

      await bench.nothingPending(consumer.group);

      const failed = runner.logs.find(({ msg }) => String(msg).includes('will be tried again'));
      expect(failed?.retry_in_ms).toSatisfy((delayMs: number) => delayMs >= 500 && delayMs <= 1_000);
      expect(runner.logs.find(({ msg }) => String(msg).includes('a backoff'))).toMatchObject({
        level: 'error',
        group: consumer.group,
        reason: expect.stringMatching(/after attempt 1/) as unknown,
      });
      expect(await bench.effects(consumer.group)).toHaveLength(2 + goods.length);
    },
  );
});

it('a circuit that opened on what has no text is told of to the other runners', async () => {
  let isDown = true;
  const consumer = bench.consumer({ circuitBreaker: { aggregates: 5 } }, () => {
    if (isDown) throw textless();
  });
  await bench.publish(...goods);
  bench.start(consumer);

  await eventually(async () =>
    (await bench.runners(consumer.group)).some(({ circuit_error }) => circuit_error?.includes('has no text')),
  );
  isDown = false;
  await bench.nothingPending(consumer.group);
});
