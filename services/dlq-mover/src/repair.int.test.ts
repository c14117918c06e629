import { readFileSync } from 'node:fs';
import { registerInboxGroup, reviveDead } from '@event-bus/inbox';
import { eventually, startOtlpReceiver } from '@event-bus/testkit';
import { derivedKeys, HANDED_BACK, placeKey } from '@event-bus/transport';
import { sql } from 'kysely';
import { afterEach, expect, inject, test } from 'vitest';
import type { TestEntry } from './testing/handle-entry.ts';
import { createStage, eventFields, type Stage } from './testing/stage.ts';
import { untilSwept } from './testing/sweeps.ts';

let stage: Stage;
afterEach(() => stage.close());

const key = derivedKeys.deadLetters('events:user', 'mail');
const ids = (entries: readonly TestEntry[]) => entries.map(({ fields }) => fields.event_id ?? '');

/** Entries that are dead, and known to be copied. */
async function bury(count: number, env: Readonly<Record<string, string>> = {}) {
  const entries: readonly TestEntry[] = await stage.deliver(count);
  await stage.fail(entries);
  const mover = await stage.spawn(env);
  await eventually(async () => {
    const letters = [...(await stage.letters()).values()];
    return letters.length === count && letters.every(({ dlqId }) => dlqId !== null);
  });
  return { entries, mover };
}

test('copies of letters that are dead no longer are deleted, also where no letter is open any more', async () => {
  stage = await createStage(inject('postgresUrl'));
  await bury(3);

  await sql`update dead_letters set state = 'discarded', resolved_at = now()`.execute(stage.database.db);

  await eventually(async () => (await stage.copies()).length === 0);
});

test('a copy that was replaced by hand is found, though there are as many as before', async () => {
  stage = await createStage(inject('postgresUrl'));
  const { entries } = await bury(5);
  const [first] = await stage.streams.range(key, '-', '+', 1);

  await stage.client.xdel(key, first?.id ?? '');
  await stage.client.xadd(key, '*', 'event_id', 'nonsense');

  const wanted = ids(entries).toSorted();
  await eventually(async () => (await stage.copies()).toSorted().join() === wanted.join());
});

test('a letter that somebody deleted is written again from its copy, unless its event was handled since', async () => {
  stage = await createStage(inject('postgresUrl'));
  const { entries } = await bury(4);
  const [handled, ...others] = entries;
  if (handled === undefined) throw new Error('nothing is dead');
  const { event_id: eventId = '' } = handled.fields;

  await sql`with gone as (delete from dead_letters)
    update inbox_events set outcome = 'done' where event_id = ${eventId}`.execute(stage.database.db);

  await eventually(async () => (await stage.letters()).size === 3 && (await stage.copies()).length === 3);
  expect(new Set((await stage.letters()).keys())).toEqual(new Set(ids(others)));
  const [letter] = await stage.database.db
    .selectFrom('dead_letters')
    .selectAll()
    .where('event_id', '=', others[0]?.fields.event_id ?? '')
    .execute();
  expect(letter).toMatchObject({
    state: 'dead',
    kind: 'unknown',
    reason: 'attempts used up: 3 of 3 failed',
    error: 'Error: no luck',
    fields: others[0]?.fields,
    first_delivered_at: new Date(1_790_000_000_000),
  });
});

test('dead letters of a group that nobody registered come back, though Redis has forgotten the group', async () => {
  stage = await createStage(inject('postgresUrl'), { register: false });
  const { entries } = await bury(3);

  await stage.client.flushall();

  await eventually(async () => (await stage.copies()).length === 3);
  expect(new Set(await stage.copies())).toEqual(new Set(ids(entries)));
});

test('a mover needs no more rights than its user in Redis has', async () => {
  stage = await createStage(inject('postgresUrl'));
  const users = readFileSync(new URL('../../../infra/redis/users.acl', import.meta.url), 'utf8');
  const [, rules = ''] = /^user mover (.*)$/m.exec(users) ?? [];
  await stage.client.call('ACL', 'SETUSER', 'mover', ...rules.split(' '));
  const url = stage.redis.url.replace('redis://', 'redis://mover:change-me-mover@');
  await bury(3, { REDIS_URL: url, CONSUMER_IDLE: '1s' });

  await stage.client.del(key);
  await eventually(async () => (await stage.copies()).length === 3);
  await sql`update dead_letters set state = 'redriving' where dlq_id is not null`.execute(stage.database.db);

  await eventually(async () => (await stage.copies()).length === 0);
  await eventually(async () => {
    const [status] = await stage.streams.groups('events:user');
    return status?.consumers.every(({ name }) => name === HANDED_BACK);
  });
});

test('a redrive that a handler has in hand is not injected again, though nobody could note that it was', async () => {
  stage = await createStage(inject('postgresUrl'));
  const { mover: first, entries } = await bury(1);
  await first.stop();
  const { event_id: eventId = '', occurred_at: occurredAt = '' } = entries[0]?.fields ?? {};
  const { db } = stage.database;
  await db.updateTable('dead_letters').set({ state: 'redriving', inject_id: null }).execute();
  const inHand = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const handling = db.transaction().execute(async (trx) => {
    const key = { group: 'mail', eventId, replayId: '', occurredAt };
    await reviveDead(trx, [{ ...key, stream: 'events:user', streamId: '1-1', attempt: 1 }]);
    inHand.resolve();
    await done.promise;
  });
  await inHand.promise;

  await untilSwept(await stage.spawn(), 20);
  const injected = await stage.client.xlen(placeKey({ ...stage.ref, injected: true }));
  done.resolve();
  await handling;

  expect(injected).toBe(0);
  expect((await stage.letters()).get(eventId)?.state).toBe('done');
  // As long as it was in hand nobody could tell whether its copy is the last that is left of it.
  await eventually(async () => (await stage.copiesCount()) === 0);
});

test('a group with very much to give up keeps no other waiting', async () => {
  stage = await createStage(inject('postgresUrl'));
  await stage.fail(await stage.deliver(5_000));
  const small = { stream: 'events:user', group: 'small' };
  await registerInboxGroup(stage.database.db, {
    group: 'small',
    onDeadLetter: 'continue',
    maxDeliveries: 5,
    claimIdleMs: 2_000,
  });
  await stage.reader.ensureGroup(small, '0');
  const [entry] = await stage.reader.read({
    group: 'small',
    consumer: 'runner',
    from: [small],
    count: 1,
    blockMs: 1_000,
  });
  if (entry === undefined) throw new Error('nothing was delivered');
  await stage.fail([entry], {}, small);
  await stage.spawn();

  const ofSmall = derivedKeys.deadLetters('events:user', 'small');
  const copy = await eventually(async () => (await stage.streams.range(ofSmall, '-', '+', 1))[0]);

  // The IDs tell what came before it, however late this looks.
  expect((await stage.client.xrange(key, '-', copy.id)).length).toBeLessThan(4_000);
});

test('a group that comes to a stream later is found', async () => {
  stage = await createStage(inject('postgresUrl'));
  await stage.client.del('events:user', placeKey({ ...stage.ref, injected: true }));
  const mover = await stage.spawn();
  await untilSwept(mover, 1);
  await stage.reader.ensureGroup(stage.ref, '0');
  const entries = await stage.deliver(2);
  await stage.fail(entries);

  await eventually(async () => (await stage.copies()).length === 2);
});

test('each event has a dead-letter span in its own trace, and no log line holds what it carries', async () => {
  stage = await createStage(inject('postgresUrl'));
  const receiver = await startOtlpReceiver();
  try {
    const trace = 'a'.repeat(32);
    const fields = eventFields({
      traceparent: `00-${trace}-${'b'.repeat(16)}-01`,
      payload: '{"secret":"of the payload"}',
    });
    await stage.fail(await stage.deliver(1, { fields: () => fields }));

    const mover = await stage.spawn({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    await mover.waitFor(/dead letter:/);
    await mover.stop();

    expect(receiver.spans()).toMatchObject([
      {
        name: 'dead-letter events:user',
        traceId: trace,
        parentSpanId: 'b'.repeat(16),
        attributes: {
          'messaging.consumer.group.name': 'mail',
          'messaging.message.id': fields.event_id,
          'bus.outcome': 'attempts',
          'bus.attempt': 3,
        },
      },
    ]);
    const line = mover
      .output()
      .split('\n')
      .find((text) => text.includes('dead letter:'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      event_id: fields.event_id,
      group: 'mail',
      trace_id: trace,
    });
    expect(mover.output()).not.toContain('of the payload');
  } finally {
    await receiver.close();
  }
});

test('groups that nobody registered are named once', async () => {
  stage = await createStage(inject('postgresUrl'), { register: false });
  await bury(1);
  await stage.fail(await stage.deliver(1));
  await eventually(async () => (await stage.copies()).length === 2);
  const mover = await stage.spawn();
  await mover.waitFor(/that no runner registered/);
  await stage.fail(await stage.deliver(1));
  await eventually(async () => (await stage.copies()).length === 3);

  expect(mover.output().match(/that no runner registered/g)).toHaveLength(1);
});
