import { type RedisServer, startRedis } from '@event-bus/testkit';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { claiming, details, failure, namesOf } from '../conformance/setup.ts';
import { CommandRejectedError } from '../errors.ts';
import { derivedKeys, placeKey } from '../keys.ts';
import { createRedisTransport } from './index.ts';

let server: RedisServer;
let round = 0;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

/** Foreign entries on a place that nobody else uses, delivered to one consumer. */
async function setUpForeign(injected: boolean, entries: readonly (readonly (string | Buffer)[])[]) {
  const transport = createRedisTransport({ url: server.url, commandTimeoutMs: 30_000 });
  onTestFinished(() => transport.close());
  const redis = server.client();
  round += 1;
  const from = { stream: `events:odd${round}`, ...(injected && { injected: true as const }) };
  const ref = { ...from, group: 'g' };
  const reader = transport.reader();
  await reader.ensureGroup(ref, '0');
  for (const fields of entries) await redis.xadd(placeKey(ref), '*', ...fields);
  const taken = await reader.read({ group: 'g', consumer: 'one', from: [from], count: 100, blockMs: 0 });
  const pending = async () => ((await redis.xpending(placeKey(ref), 'g')) as [number])[0];
  return { redis, reader, mover: transport.mover(), ref, taken, pending };
}

const oddIds: [string, (string | Buffer)[]][] = [
  ['a name that comes twice', ['event_id', 'first', 'payload', '{}', 'event_id', 'last']],
  [
    'bytes that are no text',
    ['payload', Buffer.from([0, 255, 10]), 'event_id', Buffer.from('a\xffb\xe2(', 'latin1')],
  ],
  ['letters of all kinds', ['event_id', 'ä\u{1f600}\u0000 \n"']],
  ['an empty event ID', ['event_id', '']],
  ['no event ID', ['payload', 'event_id']],
];

describe.each([
  ['the stream', false],
  ['the inject stream', true],
] as const)('a foreign entry on %s', (_, injected) => {
  it.each(oddIds)('with %s is acknowledged', async (_, fields) => {
    const { reader, ref, taken, pending } = await setUpForeign(injected, [fields]);

    expect(await reader.acknowledge(ref, namesOf(taken))).toBe(1);

    expect(await pending()).toBe(0);
  });

  it.each(oddIds)('with %s fails for good, and is dead-lettered as it is', async (_, fields) => {
    const { redis, reader, mover, ref, taken } = await setUpForeign(injected, [fields]);
    const [name = { id: '', eventId: '' }] = namesOf(taken);
    await reader.recordFailures(ref, 'one', new Map([[name.id, failure(name.eventId, { final: true })]]));

    const { deliveries } = await reader.claim(ref, claiming('two'));
    const { entries } = await mover.givenUp(ref, { minIdleMs: 0, maxDeliveries: 9, count: 9 });
    const id = await mover.deadLetter(ref, name, details(name.id));

    expect(deliveries).toEqual([]);
    expect(entries).toMatchObject([{ id: name.id, failure: { eventId: name.eventId, final: true } }]);
    const letters = derivedKeys.deadLetters(ref.stream, 'g');
    const [copy] = await redis.xrangeBuffer(letters, '-', '+');
    const bytes = fields.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
    expect(copy?.[0].toString()).toBe(id);
    expect(copy?.[1].slice(0, fields.length)).toEqual(bytes);
    expect(copy?.[1]).toHaveLength(fields.length + 16);
    expect(await mover.forget(ref, [{ id: id ?? '', eventId: name.eventId }])).toBe(1);
  });

  it('is dead-lettered with hundreds of fields, and stays pending with more than can be copied', async () => {
    const fieldsOf = (count: number) => Array.from({ length: count }, (_, n) => [`f${n}`, 'v']).flat();
    const { redis, mover, ref, taken, pending } = await setUpForeign(injected, [
      fieldsOf(3_000),
      fieldsOf(4_000),
    ]);
    const [some, many] = namesOf(taken);
    const letters = derivedKeys.deadLetters(ref.stream, 'g');

    const moving = mover.deadLetter(ref, many ?? { id: '', eventId: '' }, details('1-1'));
    await expect(moving).rejects.toThrow(CommandRejectedError);
    expect([await pending(), await redis.exists(letters)]).toEqual([2, 0]);

    expect(await mover.deadLetter(ref, some ?? { id: '', eventId: '' }, details('1-1'))).not.toBeNull();
    expect([await pending(), await redis.xlen(letters)]).toEqual([1, 1]);
  });
});

describe('an entry that was deleted while somebody held it', () => {
  // From 7.0 on the server drops it from the pending list whenever it is claimed, before that it stays.
  it.each(['keep', 'release', 'countDelivery'] as const)('leaves no failure behind: %s', async (step) => {
    const { redis, reader, ref, taken, pending } = await setUpForeign(false, [['event_id', 'a']]);
    const [{ id } = { id: '' }] = taken;
    await reader.recordFailures(ref, 'one', new Map([[id, failure('a')]]));
    await redis.xdel(ref.stream, id);

    const steps = {
      keep: () => reader.keep(ref, 'one', [id]),
      release: () => reader.release(ref, 'one', taken),
      countDelivery: () => reader.countDelivery(ref, 'one', id),
    };
    await steps[step]();

    expect(await redis.hlen(derivedKeys.failures(ref.stream, 'g'))).toBe(await pending());
  });
});

describe('a failure record that is no such thing', () => {
  it.each(['{', '1', 'null', '[]', '{"eventId":1,"final":true}', '{"final":true}'])(
    'counts as none: %s',
    async (json) => {
      const { redis, reader, mover, ref, taken } = await setUpForeign(false, [['event_id', 'a']]);
      const [{ id } = { id: '' }] = taken;
      await redis.hset(derivedKeys.failures(ref.stream, 'g'), id, json);

      expect(await reader.failures(ref, [id])).toEqual(new Map());
      const { entries } = await mover.givenUp(ref, { minIdleMs: 0, maxDeliveries: 1, count: 9 });

      expect(entries).toMatchObject([{ id, failure: null }]);
    },
  );
});

describe('the keys of a stream', () => {
  it('are named where something else was stored, whatever else there is', async () => {
    const transport = createRedisTransport({ url: server.url });
    onTestFinished(() => transport.close());
    const [redis, observer] = [server.client(), transport.observer()];
    const stream = 'events:odd-keys';
    expect(await observer.oddKeys(stream)).toEqual([]);

    await transport.reader().ensureGroup({ stream, group: 'g' }, '0');
    await redis.hset(derivedKeys.writers(stream), 'a', 'b');
    expect(await observer.oddKeys(stream)).toEqual([]);
    await redis.set(derivedKeys.failures(stream, 'g'), 'x');
    await redis.hset(derivedKeys.deadLetters(stream, 'g'), 'a', 'b');
    expect(await observer.oddKeys(stream)).toEqual([
      { key: derivedKeys.failures(stream, 'g'), is: 'string', shouldBe: 'hash' },
      { key: derivedKeys.deadLetters(stream, 'g'), is: 'hash', shouldBe: 'stream' },
    ]);

    await redis.del(stream);
    await redis.rpush(stream, 'x');
    expect(await observer.oddKeys(stream)).toEqual([{ key: stream, is: 'list', shouldBe: 'stream' }]);
  });
});
