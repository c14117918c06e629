import { userRenamed } from '@event-bus/contracts';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { type Bench, createBench, defineConsumer, delivery, never, on, work } from './testing/bench.ts';

let bench: Bench;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
});

afterEach(() => bench.close());

test('what is settled is found without a transaction; what cannot be read is not looked for', async () => {
  const { handle, findSettled } = bench.dispatcher(
    defineConsumer({ group: 'g', handlers: [on(userRenamed, () => undefined)] }),
  );
  const handled = Array.from({ length: 3 }, () => delivery());
  for (const entry of handled) await handle(work(entry), never);
  const [first] = handled;
  const others = [
    delivery(),
    delivery({ event_id: 'no event' }),
    delivery({ ...first?.fields, replay_id: 'r1' }),
  ];

  expect(await findSettled([...others, ...handled], never)).toEqual(new Set(handled));
  await expect(findSettled([...handled, delivery({ replay_id: '\0' })], never)).rejects.toThrow('0x00');
  await expect(findSettled(handled, AbortSignal.abort())).rejects.toMatchObject({ code: 'shutdown' });
  await bench.untilIdle();
});
