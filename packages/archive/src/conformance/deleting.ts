import { spawnService } from '@event-bus/testkit';
import { describe, expect, it } from 'vitest';
import { keysOf, type OpenStore, putAll, textContent, textOf } from './setup.ts';

const HOUR_MS = 3_600_000;

/** How objects, and what is left of a put that was killed, go away. */
export function testDeleting(open: OpenStore): void {
  describe('deleting', () => {
    it('removes what is named, and nothing else; what is not there is fine', async () => {
      const { store } = await open();
      await putAll(store, ['a/1', 'a/2', 'a/3', 'b/1']);

      await store.delete(['a/1', 'a/3', 'missing/1', 'a/1']);
      await store.delete([]);

      expect(await keysOf(store.list({ prefix: '' }))).toEqual(['a/2', 'b/1']);
    });

    it('takes more keys than fit into one request', async () => {
      const { store } = await open();
      const keys = Array.from({ length: 2_001 }, (_, index) => `a/${index}`);
      await putAll(store, ['a/0', 'a/1000', 'a/2000', 'b/1']);

      await store.delete(keys);

      expect(await keysOf(store.list({ prefix: '' }))).toEqual(['b/1']);
    });

    it('does not get in the way of a put into the same place', async () => {
      const { store, connect } = await open();
      const other = connect();

      for (let times = 0; times < 20; times += 1) {
        await store.put('a/b/old', textContent('old'));
        await Promise.all([store.delete(['a/b/old']), other.put('a/b/new', textContent('new'))]);
        expect(await textOf(store, 'a/b/new')).toBe('new');
        await store.delete(['a/b/new']);
      }
    });

    it('removes what a killed put has left, once it is old enough', async () => {
      const { store, env } = await open();
      const entry = new URL('../testing/unfinished-put.ts', import.meta.url);
      const process = await spawnService({ entry, env });
      await process.waitFor(/begun/);
      process.kill();
      await process.exited;

      expect(await keysOf(store.list({ prefix: '' }))).toEqual([]);
      expect(await store.removeLeftovers(new Date(Date.now() - HOUR_MS))).toBe(0);
      expect(await store.removeLeftovers(new Date(Date.now() + HOUR_MS))).toBe(1);
      expect(await store.removeLeftovers(new Date(Date.now() + HOUR_MS))).toBe(0);
    });
  });
}
