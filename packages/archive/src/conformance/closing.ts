import { describe, expect, it } from 'vitest';
import { StoreClosedError } from '../errors.ts';
import { largeContent, type OpenStore, putAll, textContent } from './setup.ts';

/** How a store ends. */
export function testClosing(open: OpenStore): void {
  describe('closing', () => {
    it('can be done twice, and refuses every call afterwards', async () => {
      const { store, connect } = await open();
      await putAll(store, ['k']);

      await store.close();
      await store.close();

      const calls = [
        store.put('k', textContent('k')),
        store.head('k'),
        store.get('k'),
        Array.fromAsync(store.list({ prefix: '' })),
        store.delete(['k']),
        store.removeLeftovers(new Date()),
        store.capabilities(),
        store.ping(),
      ];
      for (const call of await Promise.allSettled(calls)) {
        expect(call).toMatchObject({ status: 'rejected', reason: { code: 'store_closed' } });
      }
      await connect().ping();
    });

    it('ends a body that is being read', async () => {
      const { store } = await open();
      await store.put('k', largeContent(33_000_000));
      const { body } = await store.get('k');
      const chunks = body[Symbol.asyncIterator]();
      await chunks.next();

      await store.close();

      const rest = { [Symbol.asyncIterator]: () => chunks };
      await expect(Array.fromAsync(rest)).rejects.toThrow(StoreClosedError);
    });
  });
}
