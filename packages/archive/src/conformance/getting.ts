import { describe, expect, it } from 'vitest';
import { ObjectMissingError } from '../errors.ts';
import { bytesOf, largeContent, type OpenStore, textContent, textOf } from './setup.ts';

/** What is read, whole and in part. */
export function testGetting(open: OpenStore): void {
  describe('getting', () => {
    it.each([
      [{}, '0123456789'],
      [{ start: 0 }, '0123456789'],
      [{ start: 3 }, '3456789'],
      [{ end: 3 }, '012'],
      [{ start: 3, end: 4 }, '3'],
      [{ start: 9, end: 100 }, '9'],
      [{ start: 4, end: 4 }, ''],
      [{ start: 10 }, ''],
      [{ start: 100, end: 200 }, ''],
    ])('reads %j', async (range, expected) => {
      const { store } = await open();
      await store.put('k', textContent('0123456789'));

      const { sizeBytes } = await store.get('k', range);

      expect(sizeBytes).toBe(10);
      expect(await textOf(store, 'k', range)).toBe(expected);
    });

    it('reads an empty object', async () => {
      const { store } = await open();
      await store.put('k', textContent(''));

      expect(await textOf(store, 'k')).toBe('');
      expect((await store.get('k', { start: 0, end: 10 })).sizeBytes).toBe(0);
    });

    it('says what is missing', async () => {
      const { store } = await open();

      await expect(store.get('a/missing')).rejects.toThrow(ObjectMissingError);
      await expect(store.get('a/missing', { start: 0, end: 0 })).rejects.toMatchObject({ key: 'a/missing' });
      expect(await store.head('a/missing')).toBeNull();
    });

    it('can be ended anywhere, and begun again', async () => {
      const { store } = await open();
      await store.put('k', largeContent(3_000_000));

      for (let times = 0; times < 100; times += 1) {
        for await (const chunk of (await store.get('k')).body) {
          expect(chunk.byteLength).toBeGreaterThan(0);
          break;
        }
      }

      expect(await bytesOf(store, 'k')).toHaveLength(3_000_000);
    });
  });
}
