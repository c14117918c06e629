import { expect, it } from 'vitest';
import { testTransport } from '../conformance/index.ts';
import { createMemoryBroker } from './index.ts';

testTransport('in memory', async () => {
  const broker = createMemoryBroker();
  const transport = broker.transport();
  return {
    transport,
    backdoor: {
      addEntry: async (stream, fields, id) => broker.addEntry(stream, fields, id),
      deleteEntry: async (stream, id) => broker.deleteEntry(stream, id),
      trim: async (stream, upToId) => broker.trim(stream, upToId),
      deleteStream: async (stream) => broker.deleteStream(stream),
      deleteGroup: async (ref) => broker.deleteGroup(ref),
      age: async (ref, _consumer, ids, idleMs) => broker.age(ref, ids, idleMs),
      flushAll: async () => broker.flushAll(),
    },
    close: () => transport.close(),
  };
});

it('shares one broker between transports', async () => {
  const broker = createMemoryBroker();
  const ref = { stream: 'events:user', group: 'g' };
  const reader = broker.transport().reader();
  await reader.ensureGroup(ref, '0');
  await broker.transport().close();

  const id = broker.addEntry(ref.stream, { event_id: 'a' });

  const read = await reader.read({ group: 'g', consumer: 'c', from: [ref], count: 1, blockMs: 0 });
  expect(read.map((delivery) => delivery.id)).toEqual([id]);
  await reader.close();
});

it('refuses an entry ID that is not above the last one', () => {
  const broker = createMemoryBroker();
  broker.addEntry('events:user', {}, '5-1');

  expect(() => broker.addEntry('events:user', {}, '5-1')).toThrow(RangeError);
});
