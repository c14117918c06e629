import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createTestDatabase } from '../packages/database/src/testing.ts';
import { type RedisServer, spawnService } from '../packages/testkit/src/index.ts';
import {
  type DeadLetterDetails,
  derivedKeys,
  ENTRY_FIELDS,
  type EventTransport,
  type FailureRecord,
  oldestUnsettled,
} from '../packages/transport/src/index.ts';
import {
  commandsNeeded,
  createRedisTransport,
  examineServer,
  redisUsers,
} from '../packages/transport/src/redis/index.ts';
import { type RedisWithUsers, startRedisWithUsers, users } from './redis-users/server.ts';

describe('the users of Redis', () => {
  const stream = 'events:user';
  const ref = { stream, group: 'directory' };
  const injected = { ...ref, injected: true as const };
  let server: RedisWithUsers;
  let redis: RedisServer;

  beforeAll(async () => {
    server = await startRedisWithUsers({ maxmemory: '1gb' });
    redis = server.redis;
    const admin = redis.client();
    await admin.xadd('events:order', '1-1', 'a', 'b');
    await admin.xgroup('CREATE', 'events:order', 'late', '0');
  });

  afterAll(() => server.close());

  /** The commands that somebody may send, and those that were sent, by scripts too. Subcommands count as one. */
  async function rightsUsed(user: string, work: (transport: EventTransport, url: string) => Promise<void>) {
    const admin = redis.client();
    await admin.config('RESETSTAT');
    const url = server.urlOf(user);
    const transport = createRedisTransport({ url });
    await work(transport, url);
    await transport.close();
    const sent = [...(await admin.info('commandstats')).matchAll(/^cmdstat_(\w+)/gm)];
    const line = new RegExp(`^user ${user} .*$`, 'm').exec(users)?.[0];
    const granted = [...(line ?? '').matchAll(/ \+([@\w]+)/g)];
    const names = (found: RegExpExecArray[]) => [...new Set(found.map(([, name = '']) => name))].toSorted();
    // Signing in needs no right, and the rest is this test's.
    const own = new Set(['auth', 'hello', 'config', 'acl']);
    return { sent: names(sent).filter((name) => !own.has(name)), granted: names(granted) };
  }

  const eventIds = ['a', 'b', 'c', 'd'];
  const details: DeadLetterDetails = {
    dlq_original_id: '1-1',
    dlq_group: ref.group,
    dlq_reason: 'attempts used up',
    dlq_error: '',
    dlq_deliveries: '3',
    dlq_first_delivered_at: '',
    dlq_dead_lettered_at: '',
    dlq_consumer: 'a',
  };

  function entryOf(eventId: string): string[] {
    return ENTRY_FIELDS.map((field) => (field === 'event_id' ? eventId : field === 'source' ? 'test' : ''));
  }

  async function publish(transport: EventTransport): Promise<void> {
    const writer = transport.writer();
    await transport.observer().ping();
    await writer.inspect(stream, 'test');
    const { outcome } = await writer.append(stream, {
      source: 'test',
      expect: { eventId: null, present: true },
      entries: eventIds.map(entryOf),
    });
    const written = await writer.range(stream, '-', '+', 10);
    // For pruning: what a group has yet to settle.
    const unsettled = await oldestUnsettled(transport.observer(), { stream: 'events:order', group: 'late' });

    expect([outcome, written.length]).toEqual(['appended', 4]);
    expect(unsettled).toEqual({ state: 'some', oldestId: '1-1' });
    // Takes back what would run out of entry IDs midway.
    const end = '18446744073709551615-18446744073709551614';
    await redis.client().xadd('events:full', end, 'a', 'b');
    await expect(
      writer.append('events:full', {
        source: 'test',
        expect: { eventId: null, present: true },
        entries: eventIds.map(entryOf),
      }),
    ).rejects.toThrow(/no entry IDs left/);
  }

  async function handle(transport: EventTransport): Promise<void> {
    const reader = transport.reader();
    await reader.ping();
    await reader.ensureGroup(ref, '0');
    await reader.ensureGroup(injected, '0');
    const from = [ref, injected];
    const [a, b, c] = await reader.read({ group: ref.group, consumer: 'a', from, count: 3, blockMs: 100 });
    const [idOfA, idOfB, idOfC] = [a?.id ?? '', b?.id ?? '', c?.id ?? ''];
    const failure: FailureRecord = {
      eventId: 'b',
      attempts: 1,
      final: true,
      isOwn: false,
      kind: 'error',
      reason: 'error',
      error: '',
      stack: '',
      history: [],
      firstDeliveredAt: 0,
      failedAt: 0,
      dueAt: 0,
    };
    await reader.recordFailures(ref, 'a', new Map([[idOfB, failure]]));
    await reader.failures(ref, [idOfB]);
    await reader.countDelivery(ref, 'a', idOfA);
    await reader.keep(ref, 'a', [idOfA]);
    await reader.release(ref, 'a', [{ id: idOfA, deliveries: 2 }]);
    const claimed = await reader.claim(ref, { consumer: 'a', minIdleMs: 0, count: 10, maxDeliveries: 9 });
    expect(await reader.lastDelivered(ref)).toBe(idOfC);
    for (const place of [ref, injected]) await oldestUnsettled(transport.observer(), place);
    await reader.acknowledge(injected, [{ id: '1-1', eventId: 'a' }]);
    await reader.removeConsumer(injected, 'a');
    await transport.observer().stream(stream);
    await transport.observer().newest(stream, 10);

    expect(claimed.deliveries.map(({ id }) => id)).toEqual([idOfA, idOfC]);
    expect(await reader.acknowledge(ref, [{ id: idOfA, eventId: 'a' }])).toBe(1);
  }

  async function move(transport: EventTransport): Promise<void> {
    const [mover, observer, reader] = [transport.mover(), transport.observer(), transport.reader()];
    const search = { minIdleMs: 0, maxDeliveries: 9, count: 10 };
    const { entries } = await mover.givenUp(ref, search);
    const [b] = entries;
    const letter = await mover.deadLetter(ref, { id: b?.id ?? '', eventId: 'b' }, details);
    const fields = b?.fields ?? {};
    await mover.restore(ref, [{ fields, details, deadLetterId: letter ?? '' }]);
    await mover.inject(ref, [{ fields, replayId: '', deadLetterId: letter ?? '' }]);
    await mover.forget(ref, [{ id: '1-1', eventId: 'b' }]);
    await mover.dropVanished(ref, ['1-1']);
    await reader.acknowledge(ref, [{ id: '1-1', eventId: 'a' }]);
    await observer.groups(stream);
    await observer.range(derivedKeys.deadLetters(stream, ref.group), '-', '+', 10);
    await observer.ping();

    expect(await mover.absent(ref, 'dead-letters', [{ id: letter ?? '', eventId: 'b' }])).toEqual([letter]);
    expect(await mover.deadLetterCount(ref)).toBe(0);
    expect(await mover.injectedCount(ref)).toBe(1);
    expect(await observer.injected(stream, ref.group)).toMatchObject({ pending: 0 });
    expect(await mover.removeIdleConsumer(ref, 'nobody', 1)).toBe(true);
  }

  async function replay(transport: EventTransport, url: string): Promise<void> {
    const [mover, observer] = [transport.mover(), transport.observer()];
    const holder = { replay: 'r', token: '1' };
    await mover.takeReplay(ref, { ...holder, handledTo: '0-0' });
    const part = { ...holder, at: '0-0', to: '1-0', replayId: 'replayed', limit: 10 };
    const entries = [{ fields: { event_id: 'x' } }];
    expect(await mover.injectReplay(ref, { ...part, entries })).toMatchObject({ outcome: 'injected' });
    expect(await mover.endReplay(ref, 'r', { withdrawn: 'replayed' })).toBe(1);
    await observer.stream(stream);
    await observer.range(stream, '-', '+', 1);

    const database = await createTestDatabase(inject('postgresUrl'));
    await database.pool.query(`with replay as (
        insert into replays (kind, consumer_group, tenant_id, requested_by)
        values ('replay', 'directory', 'nobody', 'ann') returning id)
      insert into replay_streams (replay_id, stream, first_id, last_id, injected_to, handled_to)
      select id, '${stream}', '0-0', '1-0', '0-0', '0-0' from replay`);
    const replayer = await spawnService({
      entry: join(import.meta.dirname, '../services/replayer/src/main.ts'),
      env: { DATABASE_URL: database.url, REDIS_URL: url, REPLAY_LOCK: '1s' },
    });
    await replayer.waitFor(/the replay is done/);
    // What is looked after now and then is looked after.
    await delay(2_500);
    await replayer.stop();
    expect(replayer.output()).not.toMatch(/NOPERM/);
    await database.close();
  }

  async function watch(transport: EventTransport): Promise<void> {
    const observer = transport.observer();
    await observer.ping();
    await observer.stream(stream);
    await observer.oddKeys(stream);
    await observer.range(stream, '-', '+', 1);
    const figures = await observer.figures();

    expect(await observer.groups(stream)).toMatchObject([{ group: 'directory', pending: 1, failed: 0 }]);
    expect(figures.maxMemoryBytes).toBe(1024 ** 3);
  }

  async function archive(transport: EventTransport): Promise<void> {
    const [trimmer, observer] = [transport.trimmer(), transport.observer()];
    await trimmer.ping();
    await observer.figures();
    await observer.oddKeys('events:none');
    await observer.stream('events:none');
    const [first, second] = await observer.range(stream, '-', '+', 10);
    const anchor = { id: second?.id ?? '', eventId: second?.fields.event_id ?? '' };
    expect(await observer.groupNames(stream)).toEqual([ref.group]);
    const { anchored } = await trimmer.bounds(stream, [ref.group], anchor);
    await trimmer.lastOfSources(stream, { anchor, behind: null, below: anchor.id, sources: new Set() });
    const trimmed = await trimmer.trim(stream, {
      upTo: first?.id ?? '',
      anchor,
      groups: [],
      bystanders: [ref.group],
    });

    expect([anchored, trimmed]).toEqual([true, { outcome: 'trimmed', removed: 1 }]);
  }

  async function operate(transport: EventTransport): Promise<void> {
    const [mover, observer, reader] = [transport.mover(), transport.observer(), transport.reader()];
    await observer.stream(stream);
    await observer.oddKeys(stream);
    await observer.groups(stream);
    await observer.injected(stream, ref.group);
    await observer.pending(ref, null, 10);
    await observer.newest(stream, 10);
    await observer.follow(stream, '0', 10);
    await transport.trimmer().bounds(stream, [ref.group]);
    await observer.server();
    await reader.failures(ref, ['1-1']);
    await transport.writer().inspect(stream, 'test');
    const [letter = ''] = await mover.restore(ref, [{ fields: { event_id: 'x' }, details }]);
    await mover.inject(ref, [{ fields: { event_id: 'x' }, replayId: 'r', deadLetterId: letter }]);

    expect(await mover.injectedCount(ref)).toBe(2);
  }

  test('lets each user do what its process does, and grants nothing beyond', async () => {
    for (const [user, work] of [
      ['publisher', publish],
      ['runner', handle],
      ['mover', move],
      ['monitor', watch],
      ['archiver', archive],
    ] as const) {
      // BullMQ sends whatever it needs, to keys of its own. Before anything is trimmed, of which there is no archive here.
      if (user === 'archiver') await rightsUsed('replayer', replay);
      const { sent, granted } = await rightsUsed(user, work);

      expect([user, sent]).toEqual([user, granted]);
    }
    await rightsUsed('operator', operate);
  });

  test.each(redisUsers)(
    'has a doctor look for the rights that %s is granted, and for no others',
    async (user) => {
      const line = new RegExp(`^user ${user} .*$`, 'm').exec(users)?.[0] ?? '';
      const granted = [...line.matchAll(/ \+(\w+)/g)].map(([, name = '']) => name);
      const others = commandsNeeded(user).filter((name) => !commandsNeeded('publisher').includes(name));

      expect((await examineServer(server.urlOf(user), user)).forbidden).toEqual([]);
      expect((await examineServer(server.urlOf('publisher'), user)).forbidden).toEqual(others);
      expect(commandsNeeded(user)).toEqual(
        expect.arrayContaining(granted.filter((name) => !['ping', 'info', 'client'].includes(name))),
      );
      expect(await redis.client().exists('events:doctor', '{events:doctor}:doctor')).toBe(0);
    },
  );

  test.each([
    ['publisher', ['FLUSHALL']],
    ['publisher', ['DEL', stream]],
    ['runner', ['XADD', stream, '*', 'a', 'b']],
    ['runner', ['SET', 'session:1', 'x']],
    ['mover', ['HSET', '{events:user}:writers', 'a', 'b']],
    ['mover', ['XTRIM', stream, 'MAXLEN', '0']],
    ['mover', ['XADD', 'session:1', '*', 'a', 'b']],
    ['archiver', ['XDEL', stream, '1-1']],
    ['jobs', ['XLEN', stream]],
    ['jobs', ['FLUSHALL']],
    ['replayer', ['SET', 'session:1', 'x']],
    ['replayer', ['FLUSHALL']],
    ['monitor', ['XDEL', stream, '1-1']],
    ['monitor', ['EVAL', "return redis.call('XADD', KEYS[1], '*', 'a', 'b')", '1', stream]],
    ['operator', ['CONFIG', 'GET', '*']],
    ['operator', ['XLEN', 'other']],
  ])('does not let %s run %j', async (user, [command = '', ...args]) => {
    const client = redis.client({ username: user, password: `change-me-${user}` });

    await expect(client.call(command, ...args)).rejects.toThrow(
      /NOPERM|ACL failure in script|The user executing the script/,
    );
  });
});
