import { describe, expect, it } from 'vitest';
import { fieldsOf } from '../conformance/setup.ts';
import { derivedKeys, placeKey } from '../keys.ts';
import type { EntryMover, ReplayPart } from '../transport.ts';
import { type FaultyServer, startFaultyServer } from './testing/faulty-server.ts';
import { REFUSALS } from './testing/refusals.ts';

const REF = { stream: 'events:order', group: 'g' };
const INJECT = placeKey({ ...REF, injected: true });
const REPLAY = 'r-1';

function part(names: readonly string[], change: Partial<ReplayPart> = {}): ReplayPart {
  const entries = names.map((name) => ({ fields: fieldsOf(name) }));
  return {
    replay: REPLAY,
    token: '1',
    at: '0-0',
    to: '5-0',
    replayId: REPLAY,
    entries,
    limit: 99,
    ...change,
  };
}

/** What a replay does on the server, in its order. */
const STEPS = new Map<string, (mover: EntryMover) => Promise<unknown>>([
  ['inject', (mover) => mover.injectReplay(REF, part(['b', 'c'], { at: '5-0', to: '7-0' }))],
  ['take', (mover) => mover.takeReplay(REF, { replay: REPLAY, token: '2', handledTo: '0-0' })],
  ['end', (mover) => mover.endReplay(REF, REPLAY, { withdrawn: REPLAY })],
]);

/** A replay that has injected its first part. */
async function setUpReplay(faulty: FaultyServer): Promise<void> {
  const transport = faulty.connect();
  await transport.reader().ensureGroup({ ...REF, injected: true }, '0');
  const mover = transport.mover();
  await mover.takeReplay(REF, { replay: REPLAY, token: '1', handledTo: '0-0' });
  await mover.injectReplay(REF, part(['a']));
}

/** What is injected, and up to where by the mark of which token. */
async function stateOf({ redis }: FaultyServer) {
  const [token, at] = (await redis.hget(derivedKeys.replays(REF.stream), REPLAY))?.split(' ') ?? [];
  return { injected: await redis.xlen(INJECT), token, at };
}

const BEFORE = { injected: 1, token: '1', at: '5-0' };

/** Each step does its part, as if it had not been refused. */
async function expectToGoOn(faulty: FaultyServer, mover: EntryMover): Promise<void> {
  expect(await STEPS.get('inject')?.(mover)).toMatchObject({ outcome: 'injected' });
  expect(await STEPS.get('take')?.(mover)).toMatchObject({ at: '7-0' });
  expect(await stateOf(faulty)).toEqual({ injected: 3, token: '2', at: '7-0' });
  expect(await STEPS.get('end')?.(mover)).toBe(3);
  expect(await stateOf(faulty)).toEqual({ injected: 0, token: undefined, at: undefined });
}

describe('a server that declines for now', () => {
  it.each(Object.entries(REFUSALS))(
    'injects nothing twice with %s, and goes on later',
    async (code, refusal) => {
      const faulty = await startFaultyServer(refusal.config);
      await setUpReplay(faulty);
      const mover = faulty.connect().mover();
      await mover.ping();
      await refusal.begin(faulty);

      // What takes up no memory is not refused for the lack of it.
      for (const [name, step] of [...STEPS].filter(([name]) => name !== 'end' || code !== 'OOM')) {
        const [end] = await Promise.allSettled([step(mover)]);
        expect([name, end]).toMatchObject([name, { status: 'rejected', reason: { code: 'server_refused' } }]);
      }

      await refusal.end(faulty);
      expect(await stateOf(faulty)).toEqual(BEFORE);
      await expectToGoOn(faulty, mover);
    },
  );

  it('has room for all of a part and its mark, or for none of it', async () => {
    const faulty = await startFaultyServer();
    const { redis } = faulty;
    const mover = faulty.connect().mover();
    const names = Array.from({ length: 20 }, (_, index) => `e${index}`);
    const entries = names.map((name) => ({ fields: { ...fieldsOf(name), payload: 'x'.repeat(45_000) } }));
    const outcomes: string[] = [];

    for (let room = 0; room <= 5_000_000; room += 250_000) {
      await redis.flushall();
      await mover.takeReplay(REF, { replay: REPLAY, token: '1', handledTo: '0-0' });
      const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
      await redis.config('SET', 'maxmemory', used + room);
      const [result] = await Promise.allSettled([mover.injectReplay(REF, part([], { entries }))]);
      await redis.config('SET', 'maxmemory', 0);

      const { injected, at } = await stateOf(faulty);
      outcomes.push(`${result.status} ${injected} ${at}`);
    }

    expect(new Set(outcomes)).toEqual(new Set(['rejected 0 0-0', 'fulfilled 20 5-0']));
  });
});

describe('a right that is missing', () => {
  it.each([
    ['hget', ['inject', 'take']],
    ['hset', ['inject', 'take']],
    ['xinfo', ['inject', 'take', 'end']],
    ['xadd', ['inject']],
    ['xlen', ['inject']],
    ['xrange', ['end']],
    ['xdel', ['end']],
  ])('is told, and not taken for a loss: %s', async (command, names) => {
    const faulty = await startFaultyServer();
    await setUpReplay(faulty);
    const url = `redis://limited:secret@127.0.0.1:${faulty.proxy.port}`;
    await faulty.redis.call('ACL', ['SETUSER', 'limited', 'on', '>secret', '~*', '+@all', `-${command}`]);
    const limited = faulty.connect({ url }).mover();

    for (const name of names.filter((each) => each !== 'end')) {
      await expect(STEPS.get(name)?.(limited)).rejects.toMatchObject({ code: 'server_refused' });
    }

    expect(await stateOf(faulty)).toEqual(BEFORE);
    // An end that is refused may have forgotten the mark; repeated, it takes back the rest.
    const end = STEPS.get('end');
    if (names.includes('end')) {
      await expect(end?.(limited)).rejects.toMatchObject({ code: 'server_refused' });
      await faulty.redis.call('ACL', ['SETUSER', 'limited', '+@all']);
      expect(await end?.(limited)).toBe(1);
    } else {
      await faulty.redis.call('ACL', ['SETUSER', 'limited', '+@all']);
      await expectToGoOn(faulty, limited);
    }
  });
});
