import { eventually } from '@event-bus/testkit';
import { describe, expect, it } from 'vitest';
import { batch, claiming, details, failure, fieldsOf, injection, namesOf } from '../conformance/setup.ts';
import { CommandRejectedError } from '../errors.ts';
import { derivedKeys, placeKey } from '../keys.ts';
import type { EntryMover } from '../transport.ts';
import { type FaultyServer, startFaultyServer } from './testing/faulty-server.ts';
import { REFUSALS } from './testing/refusals.ts';

const REF = { stream: 'events:order', group: 'g' };
const INJECTED = { ...REF, injected: true as const };
const KEYS = {
  stream: REF.stream,
  inject: placeKey(INJECTED),
  letters: derivedKeys.deadLetters(REF.stream, REF.group),
  failures: derivedKeys.failures(REF.stream, REF.group),
};

/** An entry of each place that waits to be dead-lettered, and a dead letter that waits to be brought back. */
async function setUpMoves(faulty: FaultyServer) {
  const transport = faulty.connect();
  const reader = transport.reader();
  const mover = transport.mover();
  for (const ref of [REF, INJECTED]) await reader.ensureGroup(ref, '0');
  await transport.writer().append(REF.stream, batch(['a'], null));
  await mover.inject(REF, [injection('b')]);
  const [a, b] = await reader.read({
    group: 'g',
    consumer: 'one',
    from: [REF, INJECTED],
    count: 9,
    blockMs: 0,
  });
  const [ofA, ofB] = [a?.id ?? '', b?.id ?? ''];
  await reader.recordFailures(REF, 'one', new Map([[ofA, failure('a', { final: true })]]));
  await reader.recordFailures(INJECTED, 'one', new Map([[ofB, failure('b', { final: true })]]));
  const [letter] = await mover.restore(REF, [{ fields: fieldsOf('c'), details: details('1-1') }]);
  return { ofA, ofB, letter, taken: [a, b].filter((delivery) => delivery !== undefined) };
}

/** Each of them moves something, in one script. */
function movesOf({ ofA, ofB, letter }: Awaited<ReturnType<typeof setUpMoves>>) {
  type Move = (mover: EntryMover) => Promise<unknown>;
  const lost = { fields: fieldsOf('d'), details: details('1-2') };
  return new Map<string, Move>([
    ['dead-letter', (mover) => mover.deadLetter(REF, { id: ofA, eventId: 'a' }, details(ofA))],
    [
      'dead-letter what was injected',
      (mover) => mover.deadLetter(INJECTED, { id: ofB, eventId: 'b' }, details(ofB)),
    ],
    ['inject', (mover) => mover.inject(REF, [injection('x'), injection('c', { deadLetterId: letter })])],
    ['restore', (mover) => mover.restore(REF, [lost, lost])],
  ]);
}

/** What stands where. */
async function placesOf({ redis }: FaultyServer) {
  const pending = async (key: string) => ((await redis.xpending(key, 'g')) as [number])[0];
  return {
    stream: await redis.xlen(KEYS.stream),
    inject: await redis.xlen(KEYS.inject),
    letters: await redis.xlen(KEYS.letters),
    failures: await redis.hlen(KEYS.failures),
    pending: await pending(KEYS.stream),
    pendingInjected: await pending(KEYS.inject),
  };
}

const BEFORE = { stream: 1, inject: 1, letters: 1, failures: 2, pending: 1, pendingInjected: 1 };
/** After each of them. */
const AFTER = { stream: 1, inject: 2, letters: 4, failures: 0, pending: 0, pendingInjected: 0 };

describe('a server that declines for now', () => {
  it.each(Object.entries(REFUSALS))('moves nothing with %s, and all of it later', async (code, refusal) => {
    const faulty = await startFaultyServer(refusal.config);
    const moves = movesOf(await setUpMoves(faulty));
    const mover = faulty.connect().mover();
    await mover.ping();
    await refusal.begin(faulty);

    for (const [name, move] of moves) {
      const [end] = await Promise.allSettled([move(mover)]);
      expect([name, end]).toMatchObject([name, { status: 'rejected', reason: { code: 'server_refused' } }]);
      expect(String((end as PromiseRejectedResult).reason)).toContain(code);
    }

    await refusal.end(faulty);
    expect(await placesOf(faulty)).toEqual(BEFORE);
    for (const move of moves.values()) await move(mover);
    expect(await placesOf(faulty)).toEqual(AFTER);
  });

  it('has room for all that is injected, or for none of it', async () => {
    const { redis, connect } = await startFaultyServer();
    const mover = connect().mover();
    const names = Array.from({ length: 20 }, (_, index) => `e${index}`);
    const fields = (name: string) => ({ ...fieldsOf(name), payload: 'x'.repeat(45_000) });
    const outcomes: string[] = [];

    for (let room = 0; room <= 5_000_000; room += 250_000) {
      await redis.flushall();
      const letters = names.map((name) => ({ fields: fieldsOf(name), details: details('1-1') }));
      const ids = await mover.restore(REF, letters);
      const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
      await redis.config('SET', 'maxmemory', used + room);
      const injections = names.map((name, n) =>
        injection(name, { fields: fields(name), deadLetterId: ids[n] }),
      );
      const [result] = await Promise.allSettled([mover.inject(REF, injections)]);
      await redis.config('SET', 'maxmemory', 0);

      outcomes.push(`${result.status} ${await redis.xlen(KEYS.inject)} ${await redis.xlen(KEYS.letters)}`);
    }

    expect(new Set(outcomes)).toEqual(new Set(['rejected 0 20', 'fulfilled 20 0']));
  });

  it('still lets go when memory is full', async () => {
    const faulty = await startFaultyServer();
    const { letter = '', taken } = await setUpMoves(faulty);
    const transport = faulty.connect();
    const [reader, mover] = [transport.reader(), transport.mover()];
    await faulty.redis.config('SET', 'maxmemory', 1);

    const found = await mover.givenUp(REF, { minIdleMs: 0, maxDeliveries: 9, count: 9 });
    expect(found.entries.length).toBe(1);
    expect(await reader.acknowledge(REF, namesOf(taken.slice(0, 1)))).toBe(1);
    expect(await reader.acknowledge(INJECTED, namesOf(taken.slice(1)))).toBe(1);
    expect(await mover.forget(REF, [{ id: letter, eventId: 'c' }])).toBe(1);
    expect(await mover.removeIdleConsumer(REF, 'one', 0)).toBe(true);

    expect(await placesOf(faulty)).toEqual({
      ...BEFORE,
      inject: 0,
      letters: 0,
      failures: 0,
      pending: 0,
      pendingInjected: 0,
    });
  });
});

describe('a right that is missing', () => {
  it.each([
    ['xack', ['dead-letter', 'dead-letter what was injected']],
    ['xdel', ['dead-letter what was injected', 'inject', 'restore']],
    ['xadd', ['dead-letter', 'dead-letter what was injected', 'inject', 'restore']],
    ['hdel', ['dead-letter', 'dead-letter what was injected']],
    ['xrange', ['dead-letter', 'dead-letter what was injected', 'inject']],
    ['xpending', ['dead-letter', 'dead-letter what was injected']],
  ])('keeps everything where it is until it is granted: %s', async (command, names) => {
    const faulty = await startFaultyServer();
    const moves = movesOf(await setUpMoves(faulty));
    const url = `redis://limited:secret@127.0.0.1:${faulty.proxy.port}`;
    await faulty.redis.call('ACL', ['SETUSER', 'limited', 'on', '>secret', '~*', '+@all', `-${command}`]);
    const limited = faulty.connect({ url }).mover();

    for (const name of names) {
      await expect(moves.get(name)?.(limited)).rejects.toMatchObject({ code: 'server_refused' });
    }

    expect(await placesOf(faulty)).toEqual(BEFORE);
    await faulty.redis.call('ACL', ['SETUSER', 'limited', '+@all']);
    for (const move of moves.values()) await move(limited);
    expect(await placesOf(faulty)).toEqual(AFTER);
  });

  it.each([
    ['xack', 1],
    ['hdel', 1],
    ['xdel', 1],
    ['xrange', 1],
  ])('lets a reader acknowledge nothing halfway: %s', async (command, pending) => {
    const faulty = await startFaultyServer();
    const { taken } = await setUpMoves(faulty);
    const url = `redis://limited:secret@127.0.0.1:${faulty.proxy.port}`;
    await faulty.redis.call('ACL', ['SETUSER', 'limited', 'on', '>secret', '~*', '+@all', `-${command}`]);
    const reader = faulty.connect({ url }).reader();
    const names = namesOf(taken.slice(1));

    await expect(reader.acknowledge(INJECTED, names)).rejects.toMatchObject({ code: 'server_refused' });
    expect((await placesOf(faulty)).pendingInjected).toBe(pending);

    await faulty.redis.call('ACL', ['SETUSER', 'limited', '+@all']);
    expect(await reader.acknowledge(INJECTED, names)).toBe(1);
    expect(await placesOf(faulty)).toEqual({ ...BEFORE, inject: 0, failures: 1, pendingInjected: 0 });
  });

  it('to remove names keeps nobody from what they have claimed', async () => {
    const faulty = await startFaultyServer();
    await setUpMoves(faulty);
    const url = `redis://limited:secret@127.0.0.1:${faulty.proxy.port}`;
    await faulty.redis.call('ACL', ['SETUSER', 'limited', 'on', '>secret', '~*', '+@all', '-xgroup']);
    await faulty.redis.del(KEYS.failures);

    const { deliveries } = await faulty.connect({ url }).reader().claim(REF, claiming('two'));

    expect(deliveries).toHaveLength(1);
  });
});

describe('a key that is something else', () => {
  it.each([
    ['letters', ['dead-letter', 'dead-letter what was injected', 'inject', 'restore']],
    ['failures', ['dead-letter', 'dead-letter what was injected']],
    ['inject', ['dead-letter what was injected', 'inject']],
    ['stream', ['dead-letter']],
  ] as const)('keeps everything where it is: %s', async (which, names) => {
    const faulty = await startFaultyServer();
    const { redis } = faulty;
    const moves = movesOf(await setUpMoves(faulty));
    const mover = faulty.connect().mover();
    await redis.rename(KEYS[which], `{${REF.stream}}:aside`);
    await redis.set(KEYS[which], 'a string');

    for (const name of names) {
      await expect(moves.get(name)?.(mover)).rejects.toThrow(CommandRejectedError);
    }

    await redis.rename(`{${REF.stream}}:aside`, KEYS[which]);
    expect(await placesOf(faulty)).toEqual(BEFORE);
    for (const move of moves.values()) await move(mover);
    expect(await placesOf(faulty)).toEqual(AFTER);
  });

  it('gets none of several entries if it would run out of entry IDs midway', async () => {
    const { redis, connect } = await startFaultyServer();
    const mover = connect().mover();
    await redis.xadd(KEYS.inject, '18446744073709551615-18446744073709551612', 'a', 'b');
    const [letter] = await mover.restore(REF, [{ fields: fieldsOf('a'), details: details('1-1') }]);

    const injecting = mover.inject(
      REF,
      ['a', 'b', 'c', 'd'].map((name) => injection(name, { deadLetterId: letter })),
    );

    await expect(injecting).rejects.toThrow(CommandRejectedError);
    expect([await redis.xlen(KEYS.inject), await redis.xlen(KEYS.letters)]).toEqual([1, 1]);
  });
});

describe('a lost reply', () => {
  it('of a move leaves one dead letter, however often it is repeated', async () => {
    const faulty = await startFaultyServer();
    const { ofA } = await setUpMoves(faulty);
    const mover = faulty.connect().mover();
    await mover.ping();
    const swallowed = faulty.proxy.swallowReply((request) => request.includes('EVAL'));

    const moving = mover.deadLetter(REF, { id: ofA, eventId: 'a' }, details(ofA));
    await expect(moving).rejects.toMatchObject({ code: 'unknown_outcome' });
    await swallowed;

    const again = await eventually(async () => {
      const id = await mover.deadLetter(REF, { id: ofA, eventId: 'a' }, details(ofA));
      return { id };
    });
    expect(again).toEqual({ id: null });
    expect(await placesOf(faulty)).toEqual({ ...BEFORE, letters: 2, failures: 1, pending: 0 });
  });
});
