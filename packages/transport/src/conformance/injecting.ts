import { describe, expect, it } from 'vitest';
import { addableFields } from '../batch.ts';
import { CommandRejectedError } from '../errors.ts';
import { derivedKeys, placeKey } from '../keys.ts';
import {
  type Bench,
  claiming,
  details,
  eventIds,
  failure,
  fieldsOf,
  ids,
  injection,
  namesOf,
  type OpenTransport,
  setUp,
} from './setup.ts';

/** A group that reads both of its places. */
async function setUpBoth(open: OpenTransport) {
  const bench = await setUp(open);
  const injected = { ...bench.ref, injected: true as const };
  await bench.reader.ensureGroup(injected, '0');
  return { ...bench, injected, injectKey: placeKey(injected) };
}

function readBoth({ reader, ref, stream }: Bench, consumer: string, blockMs: number) {
  const from = [{ stream }, { stream, injected: true as const }];
  return reader.read({ group: ref.group, consumer, from, count: 100, blockMs });
}

/** How entries reach one group and no other. */
export function testInjecting(open: OpenTransport): void {
  describe('injecting', () => {
    it('adds entries in order, with all fields and the replay they belong to', async () => {
      const { mover, observer, ref, injectKey } = await setUpBoth(open);

      const added = await mover.inject(ref, [injection('a', { replayId: 'r-1' }), injection('b')]);

      const entries = await observer.range(injectKey, '-', '+', 10);
      expect(ids(entries)).toEqual(added);
      expect(entries.map(({ fields }) => Object.entries(fields))).toEqual([
        Object.entries({ ...fieldsOf('a'), replay_id: 'r-1' }),
        Object.entries({ ...fieldsOf('b'), replay_id: '' }),
      ]);
    });

    it('adds nothing where nothing is given', async () => {
      const { mover, observer, ref, injectKey } = await setUpBoth(open);

      expect(await mover.inject(ref, [])).toEqual([]);
      expect(await mover.restore(ref, [])).toEqual([]);
      expect(await mover.forget(ref, [])).toBe(0);

      expect((await observer.stream(injectKey)).length).toBe(0);
    });

    it('adds thousands in order', async () => {
      const { mover, observer, ref, injectKey } = await setUpBoth(open);
      const names = Array.from({ length: 1_300 }, (_, index) => `e${index}`);

      const added = await mover.inject(
        ref,
        names.map((name) => injection(name)),
      );

      const entries = await observer.range(injectKey, '-', '+', 2_000);
      expect([ids(entries), eventIds(entries)]).toEqual([added, names]);
    });

    it('adds megabytes in order', async () => {
      const { mover, observer, ref, injectKey } = await setUpBoth(open);
      const names = ['a', 'b', 'c', 'd', 'e'];
      const payload = 'x'.repeat(700_000);

      const added = await mover.inject(
        ref,
        names.map((name) => injection(name, { fields: { ...fieldsOf(name), payload } })),
      );

      const entries = await observer.range(injectKey, '-', '+', 10);
      expect([ids(entries), eventIds(entries)]).toEqual([added, names]);
      expect(entries.map(({ fields }) => fields.payload?.length)).toEqual(names.map(() => 700_000));
    });

    it('adds again only what stands there no longer', async () => {
      const { mover, backdoor, observer, ref, injectKey } = await setUpBoth(open);
      const [a = '', b = '', c = ''] = await mover.inject(ref, [
        injection('a'),
        injection('b'),
        injection('c'),
      ]);
      await backdoor.deleteEntry(injectKey, b);

      const again = await mover.inject(ref, [
        injection('a', { injectId: a }),
        injection('b', { injectId: b }),
        injection('c', { injectId: c }),
      ]);

      expect(again).toEqual([a, expect.not.stringMatching(b), c]);
      expect(eventIds(await observer.range(injectKey, '-', '+', 10))).toEqual(['a', 'c', 'b']);
    });

    it('adds again what another event stands in the place of', async () => {
      const { mover, backdoor, observer, ref, injectKey } = await setUpBoth(open);
      const id = await backdoor.addEntry(injectKey, fieldsOf('other'));

      const [added] = await mover.inject(ref, [injection('a', { injectId: id })]);

      expect(added).not.toBe(id);
      expect(eventIds(await observer.range(injectKey, '-', '+', 10))).toEqual(['other', 'a']);
    });

    it('takes dead letters away in whose place it comes, as far as they are of these events', async () => {
      const { mover, observer, ref } = await setUpBoth(open);
      const letters = ['a', 'b', 'c'].map((name) => ({ fields: fieldsOf(name), details: details('1-1') }));
      const [a = '', b = ''] = await mover.restore(ref, letters);

      await mover.inject(ref, [
        injection('a', { deadLetterId: a }),
        injection('x', { deadLetterId: b }),
        injection('y', { deadLetterId: '1-1' }),
      ]);

      const left = await observer.range(derivedKeys.deadLetters(ref.stream, ref.group), '-', '+', 10);
      expect(eventIds(left)).toEqual(['b', 'c']);
    });

    it('takes a dead letter away also if the entry stood there before', async () => {
      const { mover, observer, ref, injectKey } = await setUpBoth(open);
      const [letter] = await mover.restore(ref, [{ fields: fieldsOf('a'), details: details('1-1') }]);
      const [injectId] = await mover.inject(ref, [injection('a')]);

      expect(await mover.inject(ref, [injection('a', { injectId, deadLetterId: letter })])).toEqual([
        injectId,
      ]);

      expect((await observer.stream(injectKey)).length).toBe(1);
      expect((await observer.stream(derivedKeys.deadLetters(ref.stream, ref.group))).length).toBe(0);
    });

    it('refuses an entry of more fields than a script can add, and adds none of the others', async () => {
      const { mover, observer, ref, injectKey } = await setUpBoth(open);
      const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`f${n}`, '']));

      const injecting = mover.inject(ref, [injection('a'), injection('b', { fields: many })]);
      const restoring = mover.restore(ref, [{ fields: many, details: details('1-1') }]);

      await expect(injecting).rejects.toThrow(CommandRejectedError);
      await expect(restoring).rejects.toThrow(CommandRejectedError);
      expect((await observer.stream(injectKey)).length).toBe(0);
    });

    it('adds of an entry with thousands of fields those that events have', async () => {
      const { mover, observer, ref, injectKey } = await setUpBoth(open);
      const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`f${index}`, 'x']));

      await mover.inject(ref, [injection('a', { fields: addableFields({ ...many, ...fieldsOf('a') }) })]);

      const [entry] = await observer.range(injectKey, '-', '+', 1);
      expect(entry?.fields).toEqual({ ...fieldsOf('a'), replay_id: '' });
    });

    it('counts what is not settled yet', async () => {
      const bench = await setUpBoth(open);
      const { mover, reader, ref, injected } = bench;
      expect(await mover.injectedCount({ stream: ref.stream, group: 'nobody' })).toBe(0);
      await mover.inject(ref, [injection('a'), injection('b')]);
      expect(await mover.injectedCount(ref)).toBe(2);
      const [a] = await readBoth(bench, 'one', 0);

      await reader.acknowledge(injected, namesOf(a === undefined ? [] : [a]));

      expect(await mover.injectedCount(ref)).toBe(1);
    });
  });

  describe('what is injected', () => {
    it('is read beside the stream, and says so', async () => {
      const bench = await setUpBoth(open);
      const [a = ''] = await bench.publish('a');
      const [b = ''] = await bench.mover.inject(bench.ref, [injection('b', { replayId: 'r-1' })]);

      expect(await readBoth(bench, 'one', 0)).toEqual([
        bench.delivery(a, 'a', 1),
        {
          id: b,
          stream: bench.stream,
          injected: true,
          fields: { ...fieldsOf('b'), replay_id: 'r-1' },
          deliveries: 1,
        },
      ]);
    });

    it('wakes who waits for both', async () => {
      const bench = await setUpBoth(open);
      const reading = readBoth(bench, 'one', 30_000);
      await bench.reader.ping();

      await bench.mover.inject(bench.ref, [injection('a')]);

      expect(eventIds(await reading)).toEqual(['a']);
    });

    it('waits for its group', async () => {
      const bench = await setUp(open);
      await bench.mover.inject(bench.ref, [injection('a')]);
      await expect(readBoth(bench, 'one', 10_000)).rejects.toMatchObject({
        code: 'group_missing',
        streams: expect.arrayContaining([derivedKeys.inject(bench.stream, 'readers')]) as string[],
      });

      await bench.reader.ensureGroup({ ...bench.ref, injected: true }, '0');

      expect(eventIds(await readBoth(bench, 'one', 0))).toEqual(['a']);
    });

    it('is for one group', async () => {
      const bench = await setUpBoth(open);
      const others = { ...bench, ref: { ...bench.ref, group: 'others' } };
      await bench.reader.ensureGroup(others.ref, '0');
      await bench.reader.ensureGroup({ ...others.ref, injected: true }, '0');

      await bench.mover.inject(bench.ref, [injection('a')]);

      expect(await readBoth(others, 'one', 0)).toEqual([]);
      expect(eventIds(await readBoth(bench, 'one', 0))).toEqual(['a']);
    });

    it('goes with its acknowledgement, and what stands in the stream does not', async () => {
      const bench = await setUpBoth(open);
      const { reader, observer, ref, stream, injected, injectKey } = bench;
      await bench.publish('a');
      await bench.mover.inject(ref, [injection('b')]);
      const [a, b] = await readBoth(bench, 'one', 0);

      await reader.acknowledge(ref, namesOf(a === undefined ? [] : [a]));
      await reader.acknowledge(injected, namesOf(b === undefined ? [] : [b]));

      expect((await observer.stream(stream)).length).toBe(1);
      expect((await observer.stream(injectKey)).length).toBe(0);
    });

    it('is kept apart from what has the same ID in the stream', async () => {
      const bench = await setUpBoth(open);
      const { reader, mover, backdoor, observer, ref, stream, injected, injectKey } = bench;
      await backdoor.addEntry(stream, { event_id: 'a' }, '5-1');
      await backdoor.addEntry(injectKey, { event_id: 'b' }, '5-1');
      await readBoth(bench, 'one', 0);
      const ofA = failure('a');
      const ofB = failure('b', { final: true });

      await reader.recordFailures(ref, 'one', new Map([['5-1', ofA]]));
      await reader.recordFailures(injected, 'one', new Map([['5-1', ofB]]));
      const fromStream = await reader.claim(ref, claiming('two'));
      const fromInjected = await reader.claim(injected, claiming('two'));

      expect(await reader.failures(ref, ['5-1'])).toEqual(new Map([['5-1', ofA]]));
      expect(await reader.failures(injected, ['5-1'])).toEqual(new Map([['5-1', ofB]]));
      expect(eventIds(fromStream.deliveries)).toEqual(['a']);
      expect(eventIds(fromInjected.deliveries)).toEqual([]);
      expect(await reader.keep(ref, 'two', ['5-1'])).toEqual(['5-1']);
      expect(await reader.keep(injected, 'two', ['5-1'])).toEqual([]);

      expect(await mover.deadLetter(injected, { id: '5-1', eventId: 'b' }, details('5-1'))).not.toBeNull();
      expect(await observer.pending(ref, null, 9)).toMatchObject([{ id: '5-1', failure: ofA }]);
      expect(await observer.pending(injected, null, 9)).toEqual([]);
    });
  });
}
