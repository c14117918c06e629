import { describe, expect, it } from 'vitest';
import { failure, type OpenTransport, setUp } from './setup.ts';

/** What is remembered of failed attempts. */
export function testFailures(open: OpenTransport): void {
  describe('failures', () => {
    it('are kept as they were recorded, the last one of each entry', async () => {
      const { reader, ref, publish, take } = await setUp(open);
      const [a = '', b = ''] = await publish('a', 'b');
      await take('one');
      const last = failure('a', {
        attempts: 2,
        error: 'é "quoted"\nline',
        failedAt: 1_790_000_000_123,
        dueAt: 0.5,
      });

      await reader.recordFailures(
        ref,
        new Map([
          [a, failure('a')],
          [b, failure('b')],
        ]),
      );
      await reader.recordFailures(ref, new Map([[a, last]]));

      expect(await reader.failures(ref, [a, b, '1-1'])).toEqual(
        new Map([
          [a, last],
          [b, failure('b')],
        ]),
      );
      expect(await reader.failures(ref, [])).toEqual(new Map());
    });

    it('survive a claim and a handing back', async () => {
      const { reader, ref, publish, take } = await setUp(open);
      const [a = ''] = await publish('a');
      await take('one');
      await reader.recordFailures(ref, new Map([[a, failure('a')]]));

      await reader.claim(ref, { consumer: 'two', minIdleMs: 0, count: 10 });
      await reader.release(ref, 'two', [a]);

      expect((await reader.failures(ref, [a])).get(a)).toEqual(failure('a'));
    });

    it('are forgotten with the acknowledgement', async () => {
      const { reader, ref, publish, take } = await setUp(open);
      const [a = ''] = await publish('a');
      await take('one');
      await reader.recordFailures(ref, new Map([[a, failure('a', { final: true })]]));

      await reader.acknowledge(ref, [a]);

      expect(await reader.failures(ref, [a])).toEqual(new Map());
    });

    it('are not recorded of an entry that is no longer pending, or not yet', async () => {
      const { reader, ref, publish, take, status } = await setUp(open);
      const [a = '', b = ''] = await publish('a', 'b');
      await take('one', 1);
      await reader.acknowledge(ref, [a]);

      await reader.recordFailures(
        ref,
        new Map([
          [a, failure('a', { final: true })],
          [b, failure('b', { final: true })],
        ]),
      );

      expect(await reader.failures(ref, [a, b])).toEqual(new Map());
      expect((await status()).failed).toBe(0);
    });

    it('belong to one group', async () => {
      const { reader, ref, stream, publish, take } = await setUp(open);
      const [a = ''] = await publish('a');
      await take('one');
      await reader.ensureGroup({ stream, group: 'others' }, '0');
      await reader.recordFailures(ref, new Map([[a, failure('a')]]));

      expect(await reader.failures({ stream, group: 'others' }, [a])).toEqual(new Map());
    });
  });
}
