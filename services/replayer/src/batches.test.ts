import type { StreamEntry } from '@event-bus/transport';
import { expect, test } from 'vitest';
import { batchesOf } from './batches.ts';

const entry = (id: string, payload = ''): StreamEntry => ({ id, fields: { payload } });
const limits = { entries: 2, bytes: 100, scanned: 4 };

async function divide(entries: readonly StreamEntry[], isWanted: (entry: StreamEntry) => boolean) {
  async function* all() {
    yield* entries;
  }
  const batches = await Array.fromAsync(batchesOf(all(), isWanted, limits));
  return batches.map((batch) => `${batch.to}: ${batch.entries.map(({ id }) => id).join(' ')}`);
}

test('a batch ends with its limit of entries, of bytes, or of what was looked at', async () => {
  const wanted = ['1-0', '2-0', '3-0', '5-0'].map((id) => entry(id));
  const unwanted = ['6-0', '7-0', '8-0', '9-0'].map((id) => entry(id, 'no'));
  const large = [entry('10-0', 'x'.repeat(100)), entry('11-0')];

  const batches = await divide([...wanted, ...unwanted, ...large], ({ fields }) => fields.payload !== 'no');

  expect(batches).toEqual(['2-0: 1-0 2-0', '5-0: 3-0 5-0', '9-0: ', '10-0: 10-0', '11-0: 11-0']);
});

test('entries that a failover has given one ID are in one batch', async () => {
  const batches = await divide([entry('1-0'), entry('2-0'), entry('2-0'), entry('3-0')], () => true);

  expect(batches).toEqual(['2-0: 1-0 2-0 2-0', '3-0: 3-0']);
});
