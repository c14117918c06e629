import { writeEntries } from '@event-bus/archive';
import { pauseReplay, resumeReplay } from '@event-bus/operations';
import { eventually } from '@event-bus/testkit';
import { ENTRY_FIELDS } from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createStage, type Stage } from './testing.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});

afterEach(() => stage.close());

const order = { operator: 'ann', reason: null };

/** Archives what stands first in the stream, and trims nothing. */
async function archive(count: number): Promise<void> {
  const entries = await stage.streams.range(stage.stream, '-', '+', count);
  await Array.fromAsync(writeEntries(stage.store, { stream: stage.stream, after: '0-0', entries }));
}

/** Publishes one event of another source. */
async function publishAs(source: string): Promise<void> {
  const transport = createRedisTransport({ url: stage.redis.url });
  const fields = stage.eventFields({ source });
  const entries = [ENTRY_FIELDS.map((name) => fields[name] ?? '')];
  const expected = { eventId: null, present: false };
  await transport.writer().append(stage.stream, { source, expect: expected, entries });
  await transport.close();
}

function expectAll(events: readonly Readonly<Record<string, string>>[]): void {
  const received = new Set(stage.eventIds());
  expect(events.filter(({ event_id }) => !received.has(event_id ?? ''))).toEqual([]);
}

test('a replay does not wait for the last event of a source that it has brought, and that its outbox has pruned', async () => {
  await publishAs('quiet');
  const events = await stage.publish(250);
  await archive(40);
  const id = await stage.request({}, 150);
  await stage.spawn();
  await eventually(async () => ((await stage.replay(id)).streams[0]?.handled ?? 0) > 50);
  await stage.client.flushall();
  // Without that of the quiet source.
  await stage.writeAgain(events);

  await stage.until(id, 'done');

  expectAll(events);
});

test('a replay that was paused while the stream was rebuilt, and archived anew, brings all of it', async () => {
  const events = await stage.publish(400);
  const id = await stage.request();
  await stage.pauseGroup();
  await stage.spawn({ REPLAY_AHEAD: '50' });
  await eventually(async () => ((await stage.replay(id)).streams[0]?.injected ?? 0) > 0);
  await pauseReplay(stage.database.db, id, order);
  const { injected = 0 } = (await stage.replay(id)).streams[0] ?? {};
  expect(injected).toBeLessThan(events.length);
  stage.resumeGroup();
  await eventually(() => stage.given.length >= injected);
  await stage.client.flushall();
  await stage.writeAgain(events);
  await archive(events.length);
  await resumeReplay(stage.database.db, id, order);

  await stage.until(id, 'done');

  expectAll(events);
});
