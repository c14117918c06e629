import { describe, expect, it } from 'vitest';
import { claiming, failure, ids, namesOf, type OpenTransport, PLACES, setUp } from './setup.ts';

/** What is remembered of failed attempts. */
export function testFailures(open: OpenTransport): void {
  describe.each(PLACES)('failures of what comes from the %s', (place) => {
    it('are kept as they were recorded, the last one of each entry', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      const [a = '', b = ''] = await publish('a', 'b');
      await take('one');
      const last = failure('a', {
        attempts: 2,
        error: 'é "quoted"\nline,"final":true',
        stack: 'é\n\t"at"',
        history: [
          { at: 3, consumer: 'one', error: '{"final":true}' },
          { at: 4, consumer: 'two', error: '' },
        ],
        failedAt: 1_790_000_000_123,
        dueAt: 0.5,
      });

      await reader.recordFailures(
        ref,
        'one',
        new Map([
          [a, failure('a')],
          [b, failure('b')],
        ]),
      );
      await reader.recordFailures(ref, 'one', new Map([[a, last]]));

      expect(await reader.failures(ref, [a, b, '1-1'])).toEqual(
        new Map([
          [a, last],
          [b, failure('b')],
        ]),
      );
      expect(await reader.failures(ref, [])).toEqual(new Map());
    });

    it('survive a claim and a handing back', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      const [a = ''] = await publish('a');
      await take('one');
      await reader.recordFailures(ref, 'one', new Map([[a, failure('a')]]));

      const { deliveries } = await reader.claim(ref, claiming('two'));
      await reader.release(ref, 'two', deliveries);

      expect((await reader.failures(ref, [a])).get(a)).toEqual(failure('a'));
    });

    it('are not recorded of an entry that is no longer pending, or not yet', async () => {
      const { reader, ref, publish, take, status } = await setUp(open, place);
      const [a = '', b = ''] = await publish('a', 'b');
      await reader.acknowledge(ref, namesOf(await take('one', 1)));

      await reader.recordFailures(
        ref,
        'one',
        new Map([
          [a, failure('a', { final: true })],
          [b, failure('b', { final: true })],
        ]),
      );

      expect(await reader.failures(ref, [a, b])).toEqual(new Map());
      expect((await status()).failed).toBe(0);
    });

    it('are not recorded of another event that has the entry ID by now', async () => {
      const { reader, backdoor, ref, key, take, status } = await setUp(open, place);
      await backdoor.addEntry(key, { event_id: 'a' }, '5-1');
      await take('one');
      await backdoor.deleteStream(key);
      await reader.ensureGroup(ref, '0');
      await backdoor.addEntry(key, { event_id: 'b' }, '5-1');
      await take('two');
      await reader.recordFailures(ref, 'two', new Map([['5-1', failure('b')]]));

      await reader.recordFailures(ref, 'one', new Map([['5-1', failure('a', { final: true })]]));

      expect(await reader.failures(ref, ['5-1'])).toEqual(new Map([['5-1', failure('b')]]));
      expect((await status()).failed).toBe(0);
    });

    it('are not recorded of what stands there no longer', async () => {
      const { reader, backdoor, ref, key, publish, take } = await setUp(open, place);
      const [a = ''] = await publish('a');
      await take('one');
      await backdoor.deleteEntry(key, a);

      await reader.recordFailures(ref, 'one', new Map([[a, failure('a')]]));

      expect(await reader.failures(ref, [a])).toEqual(new Map());
    });

    it('are found final though their text was cut in the middle of a character', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      const [a = ''] = await publish('a');
      await take('one');
      const cut = failure('a', { final: true, error: 'no \ud83d', stack: '\ude00' });

      await reader.recordFailures(ref, 'one', new Map([[a, cut]]));

      const { deliveries, givenUp } = await reader.claim(ref, claiming('two', { withGivenUp: true }));
      expect([deliveries, ids(givenUp)]).toEqual([[], [a]]);
    });

    it('show that their process lived: its deliveries are counted anew, and those of others are not', async () => {
      const { reader, observer, ref, publish, take } = await setUp(open, place);
      const [a = '', b = ''] = await publish('a', 'b');
      await take('one');
      await reader.claim(ref, claiming('two', { count: 1 }));
      await reader.claim(ref, claiming('one'));
      await reader.claim(ref, claiming('two', { count: 1 }));
      const failures = new Map([
        [a, failure('a')],
        [b, failure('b')],
      ]);

      await reader.recordFailures(ref, 'one', failures);

      expect(await reader.failures(ref, [a, b])).toEqual(failures);
      expect(await observer.pending(ref, null, 9)).toMatchObject([
        { id: a, consumer: 'two', deliveries: 2 },
        { id: b, consumer: 'one', deliveries: 1 },
      ]);
    });

    it('belong to one group', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      const [a = ''] = await publish('a');
      await take('one');
      const others = { ...ref, group: 'others' };
      await reader.ensureGroup(others, '0');
      await reader.recordFailures(ref, 'one', new Map([[a, failure('a')]]));

      expect(await reader.failures(others, [a])).toEqual(new Map());
    });
  });
}
