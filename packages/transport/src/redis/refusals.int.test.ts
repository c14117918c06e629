import { inspect } from 'node:util';
import { eventually } from '@event-bus/testkit';
import { describe, expect, it } from 'vitest';
import { batch, claiming, entry, eventIds, failure, written } from '../conformance/setup.ts';
import { CommandRejectedError, ServerRefusedError } from '../errors.ts';
import type { EventTransport } from '../transport.ts';
import { startFaultyServer } from './testing/faulty-server.ts';
import { REFUSALS } from './testing/refusals.ts';

const STREAM = 'events:order';

/** What a writer left behind: nothing of a batch, or all of it. */
async function traces(transport: EventTransport) {
  const { length, writers } = await transport.observer().stream(STREAM);
  return { length, mark: writers.get('orders')?.eventId ?? null };
}

describe('a server that declines for now', () => {
  it.each(Object.entries(REFUSALS))(
    'writes nothing with %s, not even a mark, and all of it later',
    async (code, refusal) => {
      const faulty = await startFaultyServer(refusal.config);
      const transport = faulty.connect();
      const writer = transport.writer();
      await writer.append(STREAM, batch(['a'], null));
      await refusal.begin(faulty);

      // What follows in flight lacks its predecessor, or learns that the connection to a demoted server is given up.
      const [first, second] = await Promise.allSettled([
        writer.append(STREAM, batch(['b', 'c'], 'a')),
        writer.append(STREAM, batch(['d'], 'c')),
      ]);

      expect(first).toMatchObject({ status: 'rejected', reason: { code: 'server_refused' } });
      expect(String((first as PromiseRejectedResult).reason)).toContain(code);
      expect(second).not.toMatchObject({ value: { outcome: 'appended' } });
      // What is logged of a failure holds no event.
      expect(inspect([first, second], { depth: 9 })).not.toContain('{"of":');
      await refusal.end(faulty);
      expect(await traces(transport)).toEqual({ length: 1, mark: 'a' });
      expect(await writer.append(STREAM, batch(['b', 'c'], 'a'))).toMatchObject({ outcome: 'appended' });
    },
  );

  it('never has room for half a batch', async () => {
    const { redis, connect } = await startFaultyServer();
    const transport = connect();
    const writer = transport.writer();
    const entries = Array.from({ length: 20 }, (_, index) => entry(`e${index}`).with(10, 'x'.repeat(50_000)));
    const outcomes: string[] = [];

    for (let room = 0; room <= 6_000_000; room += 250_000) {
      await redis.flushall();
      const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
      await redis.config('SET', 'maxmemory', used + room);
      const expectation = { source: 'orders', expect: { eventId: null, present: false }, entries };
      const [result] = await Promise.allSettled([writer.append(STREAM, expectation)]);
      await redis.config('SET', 'maxmemory', 0);
      const { length, mark } = await traces(transport);

      outcomes.push(`${result.status} ${length} ${mark}`);
    }

    expect(new Set(outcomes)).toEqual(new Set(['rejected 0 null', 'fulfilled 20 e19']));
  });

  it('still acknowledges, claims, keeps and hands back when memory is full', async () => {
    const { redis, connect } = await startFaultyServer();
    const transport = connect();
    const reader = transport.reader();
    const ref = { stream: STREAM, group: 'g' };
    await reader.ensureGroup(ref, '0');
    await transport.writer().append(STREAM, batch(['a', 'b', 'c'], null));
    await redis.config('SET', 'maxmemory', 1);

    const read = { group: 'g', consumer: 'one', from: [ref], count: 9, blockMs: 0 };
    const taken = await reader.read(read);
    const [a = '', b = '', c = ''] = taken.map(({ id }) => id);
    expect(await reader.acknowledge(ref, [{ id: a, eventId: 'a' }])).toBe(1);
    expect(await reader.keep(ref, 'one', [b])).toEqual([b]);
    expect(await reader.release(ref, 'one', taken.slice(1, 2))).toBe(1);
    expect((await reader.claim(ref, claiming('two'))).deliveries.length).toBe(2);
    expect(await reader.countDelivery(ref, 'two', b)).toBe(2);
    expect(await reader.removeConsumer(ref, 'one')).toBe(true);
    await expect(reader.recordFailures(ref, 'two', new Map([[c, failure('c')]]))).rejects.toThrow(
      ServerRefusedError,
    );
    expect((await reader.claim(ref, claiming('two', { minIdleMs: 600_000 }))).deliveries).toEqual([]);
  });
});

describe('a server that will never do it', () => {
  it.each(['stream', 'writers'])('writes nothing where the %s key is something else', async (which) => {
    const { redis, connect } = await startFaultyServer();
    const transport = connect();
    const writer = transport.writer();
    const key = which === 'stream' ? STREAM : `{${STREAM}}:writers`;
    await redis.set(key, 'a string');

    await expect(writer.append(STREAM, batch(['a', 'b'], null))).rejects.toThrow(CommandRejectedError);

    await redis.del(key);
    expect(await traces(transport)).toEqual({ length: 0, mark: null });
    expect(await writer.append(STREAM, batch(['a', 'b'], null))).toMatchObject({ outcome: 'appended' });
  });

  it.each([
    ['to write hashes', ['~*', '+@all', '-hset']],
    ['to read hashes', ['~*', '+@all', '-hget']],
    ['to write streams', ['~*', '+@all', '-xadd']],
    ['to read streams', ['~*', '+@all', '-xrange']],
    ['to run scripts', ['~*', '+@all', '-eval']],
    ['on the marks of writers', ['~events:*', '+@all']],
    ['on the stream', ['~{*', '+@all']],
  ])('writes nothing without the right %s', async (_, rules) => {
    const { redis, connect, proxy } = await startFaultyServer();
    const observing = connect();
    const url = `redis://limited:secret@127.0.0.1:${proxy.port}`;
    await connect()
      .writer()
      .append(STREAM, batch(['a'], null));
    await redis.call('ACL', ['SETUSER', 'limited', 'on', '>secret', ...rules]);
    const writer = connect({ url }).writer();

    await expect(writer.append(STREAM, batch(['b', 'c'], 'a'))).rejects.toThrow(ServerRefusedError);
    expect(await traces(observing)).toEqual({ length: 1, mark: 'a' });

    await redis.call('ACL', ['SETUSER', 'limited', 'allkeys', '+@all']);
    await eventually(async () => {
      const result = await writer.append(STREAM, batch(['b', 'c'], 'a'));
      return result.outcome === 'appended';
    });
  });

  it('writes nothing to a stream that would run out of entry IDs midway', async () => {
    const { redis, connect } = await startFaultyServer();
    const transport = connect();
    await redis.xadd(STREAM, '18446744073709551615-18446744073709551612', 'a', 'b');

    const appending = transport.writer().append(STREAM, batch(['a', 'b', 'c', 'd'], null));

    await expect(appending).rejects.toThrow(CommandRejectedError);
    expect(await traces(transport)).toEqual({ length: 1, mark: null });
  });
});

describe('a failure record that cannot be read', () => {
  it.each(['{', '1', 'null', '{"eventId":"a","final":null}'])('holds back no claim: %s', async (record) => {
    const { redis, connect } = await startFaultyServer();
    const transport = connect();
    const reader = transport.reader();
    const ref = { stream: STREAM, group: 'g' };
    await reader.ensureGroup(ref, '0');
    const { lastId } = written(await transport.writer().append(STREAM, batch(['a'], null)));
    await reader.read({ group: 'g', consumer: 'one', from: [ref], count: 9, blockMs: 0 });
    await redis.hset(`{${STREAM}}:failures:g`, lastId, record);

    const { deliveries } = await reader.claim(ref, claiming('two'));

    expect(eventIds(deliveries)).toEqual(['a']);
  });
});

describe('a server that forgets', () => {
  it('never takes a batch without the one before it, when it is flushed between them', async () => {
    const { redis, connect } = await startFaultyServer();
    const transport = connect();
    const writer = transport.writer();
    const observer = transport.observer();
    const seen = new Set<string>();

    for (let round = 0; round < 200; round += 1) {
      const appending = [batch(['a', 'b'], null), batch(['c'], 'b'), batch(['d', 'e'], 'c')].map(
        (part, index) =>
          Promise.all([writer.append(STREAM, part), index === round % 3 ? redis.flushall() : undefined]),
      );
      await Promise.all(appending);
      seen.add(eventIds(await observer.range(STREAM, '-', '+', 10)).join(''));
      await redis.flushall();
    }

    // What was written before the flush is gone with its mark, and what follows was refused.
    expect([...seen].filter((events) => !['', 'ab', 'abc', 'abcde'].includes(events))).toEqual([]);
  });

  it('refuses a batch that was sent before its predecessor was known to be gone', async () => {
    const { redis, connect } = await startFaultyServer();
    const writer = connect().writer();
    const first = writer.append(STREAM, batch(['a', 'b'], null));
    await eventually(async () => (await redis.xlen(STREAM)) === 2);
    await redis.flushall();

    const second = writer.append(STREAM, batch(['c'], 'b'));

    expect(await first).toMatchObject({ outcome: 'appended' });
    expect(await second).toEqual({ outcome: 'refused', mark: null, present: false });
    expect(await redis.exists(STREAM)).toBe(0);
  });

  it('keeps the order of batches in flight when it loses its scripts', async () => {
    const { redis, connect } = await startFaultyServer();
    const transport = connect();
    const writer = transport.writer();
    let last: string | null = null;

    for (let round = 0; round < 100; round += 1) {
      const flushed = redis.script('FLUSH');
      const results = await Promise.all([
        writer.append(STREAM, batch([`${round}a`], last)),
        writer.append(STREAM, batch([`${round}b`], `${round}a`)),
      ]);
      await flushed;
      for (const result of results) written(result);
      last = `${round}b`;
    }

    expect(await traces(transport)).toEqual({ length: 200, mark: '99b' });
  });
});
