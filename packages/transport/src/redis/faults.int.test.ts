import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { eventually, freePort } from '@event-bus/testkit';
import { describe, expect, it } from 'vitest';
import { batch, claiming, eventIds, written } from '../conformance/setup.ts';
import { GroupMissingError, ServerRefusedError, UnknownOutcomeError } from '../errors.ts';
import type { GroupReader } from '../transport.ts';
import { createRedisTransport } from './index.ts';
import { startFaultyServer } from './testing/faulty-server.ts';

const STREAM = 'events:order';
const REF = { stream: STREAM, group: 'g' };

const read = (reader: GroupReader, blockMs: number) =>
  reader.read({ group: 'g', consumer: 'one', from: [REF], count: 10, blockMs });

/** Reads until an entry comes: entries that were handed to a lost connection are claimed. */
async function receive(reader: GroupReader): Promise<string[]> {
  const claimed = await reader.claim(REF, claiming('one'));
  return eventIds([...(await read(reader, 100)), ...claimed.deliveries]);
}

describe('a lost reply', () => {
  it('rejects as unknown and leaves exactly one entry', async () => {
    const { proxy, connect } = await startFaultyServer();
    const transport = connect();
    const writer = transport.writer();
    await writer.ping();
    const swallowed = proxy.swallowReply((request) => request.includes('EVAL'));

    await expect(writer.append(STREAM, batch(['a'], null))).rejects.toThrow(UnknownOutcomeError);
    await swallowed;

    expect((await writer.inspect(STREAM, 'orders')).mark?.eventId).toBe('a');
    expect(await writer.append(STREAM, batch(['a'], null))).toMatchObject({
      outcome: 'refused',
      present: true,
    });
    expect((await transport.observer().stream(STREAM)).length).toBe(1);
  });

  it('makes all batches in flight unknown, and none is written twice', async () => {
    const { proxy, connect } = await startFaultyServer();
    const transport = connect();
    const writer = transport.writer();
    await writer.ping();
    const swallowed = proxy.swallowReply((request) => request.includes('EVAL'));

    const results = await Promise.allSettled([
      writer.append(STREAM, batch(['a', 'b'], null)),
      writer.append(STREAM, batch(['c'], 'b')),
      writer.append(STREAM, batch(['d'], 'c')),
    ]);
    await swallowed;

    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unknown_outcome' } });
    }
    expect(await writer.inspect(STREAM, 'orders')).toMatchObject({
      mark: { eventId: 'd' },
      markPresent: true,
    });
    expect(eventIds(await writer.range(STREAM, '-', '+', 10))).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is told to whoever asked to be called back on a reconnect, each time', async () => {
    const { proxy, connect } = await startFaultyServer();
    const writer = connect().writer();
    let reconnects = 0;
    writer.onReconnect(() => {
      reconnects += 1;
    });
    await writer.ping();
    expect(reconnects).toBe(0);

    proxy.cut();
    await eventually(() => reconnects === 1);
    proxy.cut();
    await eventually(() => reconnects === 2);

    await writer.ping();
  });
});

describe('a server that went back in time', () => {
  it('keeps an event that has the entry ID of another by now, whatever is acknowledged beside that', async () => {
    const { proxy, redis, connect } = await startFaultyServer();
    const reader = connect().reader();
    const writer = connect().writer();
    await reader.ensureGroup(REF, '0');
    const others = Array.from({ length: 20 }, (_, n) => `other-${n}`);
    await writer.append(STREAM, batch(['lost', ...others], null));
    const entries = await writer.range(STREAM, '-', '+', 30);
    // A replica that had none of them took over, and hands out the same IDs.
    proxy.cut();
    const failover = redis.multi().del(STREAM).xgroup('CREATE', STREAM, 'g', '0', 'MKSTREAM');
    for (const [n, { id, fields }] of entries.entries())
      failover.xadd(STREAM, id, 'event_id', n === 0 ? 'new' : (fields.event_id ?? ''));
    await failover.xreadgroup('GROUP', 'g', 'one', 'STREAMS', STREAM, '>').exec();
    await eventually(() => reader.ping().then(() => true));

    const names = entries.map(({ id, fields }) => ({ id, eventId: fields.event_id ?? '' }));
    expect(await reader.acknowledge(REF, names)).toBe(20);

    const pending = await redis.xpending(STREAM, 'g', '-', '+', 10);
    expect(pending.map((entry) => (entry as [string])[0])).toEqual([entries[0]?.id]);
  });
});

describe('no connection', () => {
  it('keeps calls in order until there is one', async () => {
    const { connect } = await startFaultyServer();
    const transport = connect();
    const writer = transport.writer();

    const results = await Promise.all([
      writer.append(STREAM, batch(['a'], null)),
      writer.append(STREAM, batch(['b'], 'a')),
      writer.append(STREAM, batch(['c'], 'b')),
    ]);

    for (const result of results) written(result);
  });

  it('refuses what could not be sent, and does it when asked again later', async () => {
    const { proxy, redis, connect } = await startFaultyServer();
    const errors: Error[] = [];
    const writer = connect({ commandTimeoutMs: 300, onError: (error) => errors.push(error) }).writer();
    await eventually(() => writer.ping().then(() => true));
    proxy.refuse();
    proxy.cut();
    await eventually(() => errors.some(({ message }) => message.includes('ECONNREFUSED')));

    await expect(writer.append(STREAM, batch(['a'], null))).rejects.toThrow(ServerRefusedError);
    expect(await redis.xlen(STREAM)).toBe(0);

    await proxy.accept();
    // What is answered too late is done and refused the next time.
    await eventually(() => writer.append(STREAM, batch(['a'], null)));
    expect(await redis.xlen(STREAM)).toBe(1);
  });

  it('is waited for when the server starts after its clients', async () => {
    const { proxy, connect } = await startFaultyServer();
    const errors: Error[] = [];
    proxy.refuse();
    const pinging = connect({ onError: (error) => errors.push(error) })
      .writer()
      .ping();
    await eventually(() => errors.length > 2);

    await proxy.accept();

    await pinging;
    expect(errors[0]).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('ends at once when it is closed between two attempts', async () => {
    const errors: Error[] = [];
    const url = `redis://127.0.0.1:${await freePort()}`;
    const transport = createRedisTransport({ url, onError: (error) => errors.push(error) });
    const pinging = transport.writer().ping();
    const ended = expect(pinging).rejects.toMatchObject({ code: 'transport_closed' });
    await eventually(() => errors.length > 2);

    await transport.close();

    await ended;
    expect(errors[0]).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('says why when the password is wrong, and keeps it to itself', async () => {
    const { connect, redis, server } = await startFaultyServer();
    await redis.config('SET', 'requirepass', 'right');
    const errors: Error[] = [];
    const url = `redis://:wrong-password@127.0.0.1:${server.port}`;
    const writer = connect({
      url,
      commandTimeoutMs: 500,
      connectTimeoutMs: 20_000,
      onError: (error) => errors.push(error),
    }).writer();
    await eventually(() => errors.some(({ message }) => message.includes('WRONGPASS')));

    const failure: unknown = await writer.ping().catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(ServerRefusedError);
    expect((failure as Error).cause).toMatchObject({
      message: expect.stringContaining('WRONGPASS') as string,
    });
    expect(errors.map(String).join('\n')).not.toContain('wrong-password');
  });
});

describe('a frozen server', () => {
  it('makes an append unknown in time, and takes it once', async () => {
    const { server, redis, connect } = await startFaultyServer();
    const writer = connect({ commandTimeoutMs: 400 }).writer();
    await eventually(() => writer.ping().then(() => true));
    server.freeze();

    await expect(writer.append(STREAM, batch(['a', 'b'], null))).rejects.toThrow(UnknownOutcomeError);
    await expect(writer.append(STREAM, batch(['a', 'b'], null))).rejects.toThrow(ServerRefusedError);

    server.thaw();
    const result = await eventually(() => writer.append(STREAM, batch(['a', 'b'], null)));
    expect(result.outcome === 'appended' || result.mark?.eventId).toSatisfy(
      (found) => found === true || found === 'b',
    );
    expect(await redis.xlen(STREAM)).toBe(2);
  });

  it('ends a read in time, which works again afterwards', async () => {
    const { server, connect } = await startFaultyServer();
    const transport = connect({ commandTimeoutMs: 400 });
    const reader = transport.reader();
    const writer = transport.writer();
    await eventually(() => reader.ensureGroup(REF, '0'));
    await eventually(() => read(reader, 10));
    server.freeze();
    const startedAt = performance.now();

    await expect(read(reader, 300)).rejects.toThrow(UnknownOutcomeError);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(699);
    await expect(read(reader, 300)).rejects.toThrow(ServerRefusedError);

    server.thaw();
    await eventually(() => writer.append(STREAM, batch(['a'], null)));
    const received = await eventually(async () => {
      const found = await receive(reader);
      return found.length > 0 && found;
    });
    expect(received).toEqual(['a']);
  });

  it('does not keep anyone from closing', async () => {
    const { server, connect } = await startFaultyServer();
    const transport = connect();
    const reader = transport.reader();
    await reader.ensureGroup(REF, '0');
    const reading = read(reader, 60_000);
    const ended = expect(reading).rejects.toMatchObject({ code: 'transport_closed' });
    await reader.ping();
    server.freeze();

    await transport.close();

    await ended;
  });
});

describe('a half-open connection', () => {
  it('is replaced when nothing comes through it', async () => {
    const { proxy, connect } = await startFaultyServer();
    const errors: Error[] = [];
    const transport = connect({
      commandTimeoutMs: 300,
      connectTimeoutMs: 300,
      onError: (error) => errors.push(error),
    });
    const reader = transport.reader();
    await eventually(() => reader.ensureGroup(REF, '0'));
    await eventually(() => read(reader, 10));
    proxy.pause();

    await expect(read(reader, 100)).rejects.toThrow(UnknownOutcomeError);
    const unready = () => errors.filter(({ message }) => message.includes('was not ready'));
    await eventually(() => unready().length >= 3);

    proxy.resume();
    expect(await eventually(() => read(reader, 10))).toEqual([]);
    // What a client says of its own greeting would hide the reason.
    expect(errors.filter(({ message }) => /writeable|retries/.test(message))).toEqual([]);
  });
});

describe('a server that is no Redis', () => {
  it('is told of without what it said', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\nno such command'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const errors: Error[] = [];
    const transport = createRedisTransport({
      url: `redis://127.0.0.1:${port}`,
      commandTimeoutMs: 300,
      onError: (error) => errors.push(error),
    });

    const failure: unknown = await transport
      .reader()
      .ping()
      .catch((error: unknown) => error);
    await transport.close();
    server.close();

    expect(failure).toBeInstanceOf(ServerRefusedError);
    expect(errors.map(({ message }) => message)).toContain(
      'Protocol error, got "H" as reply type byte. Please report this.',
    );
    expect(JSON.stringify(errors)).not.toContain('"buffer"');
  });
});

describe('a server that dies', () => {
  it('ends a read that waits, and then lacks the group if it lost its data', async () => {
    const { server, connect } = await startFaultyServer();
    const reader = connect().reader();
    await reader.ensureGroup(REF, '0');
    await read(reader, 1);
    const reading = expect(read(reader, 600_000)).rejects.toThrow(UnknownOutcomeError);
    await reader.ping();

    await server.kill();
    await reading;
    await server.restart({ keepData: false });

    await expect(read(reader, 600_000)).rejects.toThrow(GroupMissingError);
  });

  it('goes on where it was if it kept its data', async () => {
    const { server, connect } = await startFaultyServer({ appendonly: 'yes', appendfsync: 'always' });
    const transport = connect();
    const reader = transport.reader();
    const writer = transport.writer();
    await reader.ensureGroup(REF, '0');
    await writer.append(STREAM, batch(['a', 'b'], null));
    expect(eventIds(await read(reader, 10))).toEqual(['a', 'b']);
    const reading = expect(read(reader, 600_000)).rejects.toThrow(UnknownOutcomeError);
    await reader.ping();

    await server.kill();
    await reading;
    await server.restart();
    await writer.append(STREAM, batch(['c'], 'b'));

    expect(eventIds(await read(reader, 10_000))).toEqual(['c']);
    const { deliveries } = await reader.claim(REF, claiming('two'));
    expect(eventIds(deliveries)).toEqual(['a', 'b', 'c']);
  });

  it('is waited for while it loads', async () => {
    const { server, redis, connect } = await startFaultyServer({ 'key-load-delay': '100000' });
    const errors: Error[] = [];
    const writer = connect({ commandTimeoutMs: 500, onError: (error) => errors.push(error) }).writer();
    await eventually(() => writer.append(STREAM, batch(['a'], null)));
    for (let key = 0; key < 20; key += 1) await redis.set(`key${key}`, 'value');
    await redis.save();
    errors.length = 0;
    await server.kill();
    await eventually(() => errors.length > 0);

    const restarted = server.restart();
    await expect(writer.append(STREAM, batch(['b'], 'a'))).rejects.toThrow(ServerRefusedError);
    await restarted;

    await eventually(() => writer.append(STREAM, batch(['b'], 'a')));
    expect(await redis.xlen(STREAM)).toBe(2);
  });
});

describe('a stream that goes away', () => {
  it.each(['deleted', 'flushed', 'robbed of its group'])(
    'wakes who waits for it when it is %s',
    async (how) => {
      const { redis, connect } = await startFaultyServer();
      const reader = connect().reader();
      await reader.ensureGroup(REF, '0');
      await read(reader, 1);
      const reading = expect(read(reader, 600_000)).rejects.toMatchObject({
        code: expect.stringMatching(/^(group_missing|unknown_outcome)$/) as string,
      });
      await reader.ping();

      if (how === 'deleted') await redis.del(STREAM);
      else if (how === 'flushed') await redis.flushall();
      else await redis.xgroup('DESTROY', STREAM, 'g');

      await reading;
      await expect(read(reader, 600_000)).rejects.toThrow(GroupMissingError);
    },
  );
});

describe('a process that was busy', () => {
  it('takes a reply that came in time, though it looks late', async () => {
    const { connect, server } = await startFaultyServer();
    const writer = connect({ url: server.url, commandTimeoutMs: 300 }).writer();
    await eventually(() => writer.ping().then(() => true));

    const pinging = writer.ping();
    await new Promise((resolve) => setImmediate(resolve));
    const until = performance.now() + 1_000;
    while (performance.now() < until);

    await pinging;
  });

  it('sends batches of thousands', async () => {
    const { connect } = await startFaultyServer();
    const transport = connect();
    const names = Array.from({ length: 12_000 }, (_, index) => `e${index}`);

    written(await transport.writer().append(STREAM, batch(names, null)));

    expect((await transport.observer().stream(STREAM)).length).toBe(12_000);
  });
});
