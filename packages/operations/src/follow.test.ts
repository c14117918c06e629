import { createMemoryBroker } from '@event-bus/transport/memory';
import { expect, test } from 'vitest';
import { followStreams } from './follow.ts';
import { entryOf } from './testing.ts';

async function setup() {
  const transport = createMemoryBroker().transport();
  const writer = transport.writer();
  const marks = new Map<string, string>();
  const append = async (stream: string, ...eventIds: string[]) => {
    const mark = marks.get(stream) ?? null;
    await writer.append(stream, {
      source: 'billing',
      expect: { eventId: mark, present: mark !== null },
      entries: eventIds.map(entryOf),
    });
    marks.set(stream, eventIds.at(-1) ?? '');
  };
  await append('a', 'a1', 'a2', 'a3');
  await append('b', 'b1');
  const stop = new AbortController();
  const follow = (from: { last: number } | { sinceMs: number }) =>
    followStreams(transport.observer(), ['a', 'b', 'none'], { from, signal: stop.signal, onAway: fail });
  return { append, stop, follow };
}

function fail(error: Error): never {
  throw error;
}

async function take(entries: AsyncGenerator<{ fields: Readonly<Record<string, string>> }>, count: number) {
  const taken: string[] = [];
  while (taken.length < count) {
    const next = await entries.next();
    if (next.done === true) break;
    taken.push(next.value.fields.event_id ?? '');
  }
  return taken;
}

test('begins with the newest over all streams, and goes on with what comes', async () => {
  const { append, follow } = await setup();
  const followed = follow({ last: 3 });
  const first = await take(followed, 3);
  await append('b', 'b2');
  await append('none', 'n1');
  const next = await take(followed, 2);

  expect(first).toEqual(['a2', 'a3', 'b1']);
  expect(next.sort()).toEqual(['b2', 'n1']);
});

test('begins with nothing of what is there when told so', async () => {
  const { append, follow } = await setup();
  const followed = follow({ last: 0 });
  const next = take(followed, 1);
  await append('a', 'a4');

  expect(await next).toEqual(['a4']);
});

test('begins with all since an instant', async () => {
  const { follow } = await setup();

  expect((await take(follow({ sinceMs: 0 }), 4)).sort()).toEqual(['a1', 'a2', 'a3', 'b1']);
});

test('ends when told to', async () => {
  const { follow, stop } = await setup();
  const followed = follow({ last: 1 });
  await take(followed, 1);
  const next = followed.next();
  stop.abort();

  expect(await next).toMatchObject({ done: true });
});
