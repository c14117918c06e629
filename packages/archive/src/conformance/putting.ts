import { describe, expect, it } from 'vitest';
import { ContentMismatchError } from '../errors.ts';
import type { Content } from '../store/store.ts';
import { bytesOf, keysOf, largeContent, type OpenStore, textContent, textOf } from './setup.ts';

const MIB = 1024 * 1024;

/** What is put, and what is not. */
export function testPutting(open: OpenStore): void {
  describe('putting', () => {
    it.each([
      ['nothing', 0],
      ['a byte', 1],
      ['as much as goes at once', 8 * MIB],
      ['more than goes at once', 8 * MIB + 1],
      ['many times that', 21 * MIB],
    ])('keeps %s, whole', async (_, sizeBytes) => {
      const { store } = await open();
      const content = largeContent(sizeBytes);

      expect(await store.put('a/b', content)).toBe('stored');

      expect((await bytesOf(store, 'a/b')).equals(Buffer.concat(await Array.fromAsync(content.open())))).toBe(
        true,
      );
      expect(await store.head('a/b')).toMatchObject({ key: 'a/b', sizeBytes });
    });

    it('takes the same content again, and leaves other content alone', async () => {
      const { store, connect } = await open();
      await store.put('k', textContent('first'));

      expect(await connect().put('k', textContent('first'))).toBe('stored');
      expect(await connect().put('k', textContent('other'))).toBe('occupied');
      expect(await store.put('k', textContent('other, and longer'))).toBe('occupied');

      expect(await textOf(store, 'k')).toBe('first');
    });

    it('takes the same content again, also what goes in parts', async () => {
      const { store, connect } = await open();
      await store.put('k', largeContent(9 * MIB));

      expect(await connect().put('k', largeContent(9 * MIB))).toBe('stored');
      expect(await connect().put('k', largeContent(9 * MIB, 2))).toBe('occupied');
    });

    it('replaces other content if asked to', async () => {
      const { store } = await open();
      await store.put('k', largeContent(9 * MIB));

      expect(await store.put('k', textContent('other'), { replace: true })).toBe('stored');
      expect(await textOf(store, 'k')).toBe('other');
      expect(await store.put('k', largeContent(9 * MIB), { replace: true })).toBe('stored');
      expect(await store.head('k')).toMatchObject({ sizeBytes: 9 * MIB });
    });

    const large = largeContent(9 * MIB);
    const small = textContent('some bytes');
    const bad: readonly [string, Content][] = [small, large].flatMap((content) => {
      const half = async function* () {
        for await (const chunk of content.open()) {
          yield chunk.subarray(0, chunk.byteLength / 2);
        }
      };
      const twice = async function* () {
        yield* content.open();
        yield* content.open();
      };
      return [
        [`truncated, ${content.sizeBytes} bytes`, { ...content, open: half }],
        [`too long, ${content.sizeBytes} bytes`, { ...content, open: twice }],
        [`with a wrong checksum, ${content.sizeBytes} bytes`, { ...content, sha256: '0'.repeat(64) }],
      ];
    });
    it.each(bad)('keeps nothing of content that is not what it is said to be: %s', async (_, content) => {
      const { store } = await open();

      await expect(store.put('k', content)).rejects.toThrow(ContentMismatchError);

      expect(await store.head('k')).toBeNull();
      expect(await keysOf(store.list({ prefix: '' }))).toEqual([]);
      expect(await store.removeLeftovers(new Date(Date.now() + 3_600_000))).toBe(0);
    });

    it('keeps nothing of content that breaks off with an error, and passes that on', async () => {
      const { store } = await open();
      const broken: Content = {
        ...large,
        async *open() {
          yield Buffer.alloc(8 * MIB);
          throw new Error('the source broke');
        },
      };

      await expect(store.put('k', broken)).rejects.toThrow('the source broke');

      expect(await keysOf(store.list({ prefix: '' }))).toEqual([]);
      expect(await store.removeLeftovers(new Date(Date.now() + 3_600_000))).toBe(0);
    });

    it.each([
      ['in one piece', 1_000],
      ['in parts', 9 * MIB],
    ])('lets exactly one of many writers have a key: %s', async (_, sizeBytes) => {
      const { store, connect } = await open();
      const contents = [1, 2, 3, 4].map((seed) => largeContent(sizeBytes, seed));

      const outcomes = await Promise.all(contents.map((content) => connect().put('k', content)));

      const winners = contents.filter((_content, index) => outcomes[index] === 'stored');
      expect(winners).toHaveLength(1);
      const expected = Buffer.concat(await Array.fromAsync(winners[0]?.open() ?? []));
      expect((await bytesOf(store, 'k')).equals(expected)).toBe(true);
      expect(await store.removeLeftovers(new Date(Date.now() + 3_600_000))).toBe(0);
    });

    it('lets many writers put the same', async () => {
      const { store, connect } = await open();

      const outcomes = await Promise.all([1, 2, 3, 4].map(() => connect().put('k', textContent('same'))));

      expect(new Set(outcomes)).toEqual(new Set(['stored']));
      expect(await textOf(store, 'k')).toBe('same');
    });

    it.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', './a', 'a\0b', '\uD800'])(
      'refuses %j, which is no key',
      async (key) => {
        const { store } = await open();

        await expect(store.put(key, textContent('x'))).rejects.toThrow(RangeError);
        await expect(store.get(key)).rejects.toThrow(RangeError);
        await expect(store.head(key)).rejects.toThrow(RangeError);
        await expect(store.delete([key])).rejects.toThrow(RangeError);
      },
    );
  });
}
