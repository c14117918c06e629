import { describe, expect, it } from 'vitest';
import { keysOf, type OpenStore, putAll, textOf } from './setup.ts';

/** What a list shows, and in which order. */
export function testListing(open: OpenStore): void {
  describe('listing', () => {
    it('is in the order of the bytes of keys, across folders and pages', async () => {
      const { store } = await open();
      const keys = [
        'a b',
        'a+b&c',
        'a-/1',
        'a.b',
        'a/a',
        'a/a.b',
        'a/a0',
        'a/a1/b',
        'a/b',
        'a/é',
        'a/\uFF5E',
        'a/\u{1F600}',
        'a0',
        'stream=events%3Auser/hour=09',
        'z',
      ];
      await putAll(store, keys.toReversed());

      expect(await keysOf(store.list({ prefix: '' }))).toEqual(keys);
      expect(await keysOf(store.list({ prefix: 'a/' }))).toEqual(keys.slice(4, 12));
      expect(await keysOf(store.list({ prefix: 'a/a' }))).toEqual(keys.slice(4, 8));
      expect(await keysOf(store.list({ prefix: 'missing/' }))).toEqual([]);
      for (const key of keys) expect(await textOf(store, key)).toBe(key);
    });

    it('begins behind any place', async () => {
      const { store } = await open();
      const keys = ['a/1', 'a/2/1', 'a/2/2', 'a/3', 'b/1'];
      await putAll(store, keys);
      const behind = (after: string, prefix = '') => keysOf(store.list({ prefix, after }));

      expect(await behind('a/1')).toEqual(keys.slice(1));
      expect(await behind('a/2')).toEqual(keys.slice(1));
      expect(await behind('a/2/')).toEqual(keys.slice(1));
      expect(await behind('a/2/1')).toEqual(keys.slice(2));
      expect(await behind('a/2/3')).toEqual(keys.slice(3));
      expect(await behind('a/20')).toEqual(keys.slice(3));
      expect(await behind('a/2', 'a/2/')).toEqual(['a/2/1', 'a/2/2']);
      expect(await behind('a/3', 'a/2/')).toEqual([]);
      expect(await behind('z')).toEqual([]);
    });

    it('shows sizes and when objects were put', async () => {
      const { store } = await open();
      const earliest = Date.now() - 600_000;
      await putAll(store, ['a/1']);

      const [found] = await Array.fromAsync(store.list({ prefix: 'a/' }));

      expect(found).toMatchObject({ key: 'a/1', sizeBytes: 3 });
      expect(found?.modifiedAt.getTime()).toBeGreaterThan(earliest);
    });

    it('goes on while what it shows is deleted', async () => {
      const { store } = await open();
      const keys = Array.from({ length: 12 }, (_, index) => `a/${index + 10}/x`);
      await putAll(store, keys);

      const seen: string[] = [];
      for await (const { key } of store.list({ prefix: 'a/' })) {
        seen.push(key);
        await store.delete([key]);
      }

      expect(seen).toEqual(keys);
      expect(await keysOf(store.list({ prefix: '' }))).toEqual([]);
    });
  });
}
