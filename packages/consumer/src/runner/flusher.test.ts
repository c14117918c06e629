import { createLogger } from '@event-bus/telemetry';
import { expect, test } from 'vitest';
import { createFlusher } from './flusher.ts';
import { createOutage } from './outage.ts';

test('what is for one target arrives though another refuses, whose items stay', async () => {
  const arrived: string[] = [];
  let told = 0;
  const flusher = createFlusher<string, string>({
    targetOf: (item) => item.charAt(0),
    send: async (target, items) => {
      if (target === 'a') throw new Error('refused');
      arrived.push(...items);
    },
    outage: createOutage('sending', createLogger({ service: 'test', level: 'silent' })),
    lingerMs: 0,
    enough: 1,
    onSent: () => {
      told += 1;
    },
  });
  for (const item of ['a1', 'b1', 'a2', 'b2']) flusher.add(item, item);

  await expect(flusher.flush()).rejects.toThrow('refused');

  expect(arrived).toEqual(['b1', 'b2']);
  expect(flusher.pending()).toEqual(['a1', 'a2']);
  expect(told).toBe(1);
});
