import { describe, expect, it } from 'vitest';
import { StoreRefusedError } from '../errors.ts';
import type { Lifecycle, ObjectLock } from '../store/store.ts';
import { type OpenedStore, type OpenStore, putAll, type StoreFeatures, textContent, when } from './setup.ts';

async function lifecycleOf({ store }: OpenedStore): Promise<Lifecycle> {
  const { lifecycle } = await store.capabilities();
  if (lifecycle === null) throw new Error('there is no lifecycle');
  return lifecycle;
}

async function objectLockOf({ store }: OpenedStore): Promise<ObjectLock> {
  const { objectLock } = await store.capabilities();
  if (objectLock === null) throw new Error('there is no object lock');
  return objectLock;
}

/** What a store says it can do beyond keeping objects, and whether it can. */
export function testCapabilities(open: OpenStore, features: StoreFeatures): void {
  describe('capabilities', () => {
    it('says what it can do', async () => {
      const { store } = await open();

      const { lifecycle, objectLock } = await store.capabilities();

      expect({ lifecycle: lifecycle !== null, objectLock: objectLock !== null }).toEqual({
        lifecycle: features.lifecycle,
        objectLock: features.objectLock,
      });
    });

    when(features.lifecycle)('keeps the rules of one archive, and those of nobody else', async () => {
      const [one, other] = [await open(), await open()];
      const [rules, others] = [await lifecycleOf(one), await lifecycleOf(other)];
      const first = { id: 'a', prefix: 'stream=a/', days: 90 };
      const second = { id: 'b', prefix: 'stream=b/', days: 365 };

      await others.setRules([first]);
      await rules.setRules([first, second]);
      await rules.setRules([second]);

      expect(await rules.rules()).toEqual([second]);
      await rules.setRules([]);
      expect(await rules.rules()).toEqual([]);
      expect(await others.rules()).toEqual([first]);
      await others.setRules([]);
    });

    when(features.objectLock)(
      'locks an object from its first instant, and only ever for longer',
      async () => {
        const opened = await open();
        const lock = await objectLockOf(opened);
        const nowMs = Math.ceil(Date.now() / 1000) * 1000;
        const until = (seconds: number) =>
          ({ mode: 'governance', until: new Date(nowMs + seconds * 1_000) }) as const;
        await opened.store.put('k', textContent('k'), { retention: until(300) });
        expect(await lock.retention('k')).toEqual(until(300));

        await lock.retain('k', until(200));
        expect(await lock.retention('k')).toEqual(until(300));
        await lock.retain('k', until(400));
        expect(await lock.retention('k')).toEqual(until(400));
        await opened.store.put('k', textContent('k'), { retention: until(500) });
        expect(await lock.retention('k')).toEqual(until(500));
        await lock.retain('k', { ...until(10), mode: 'compliance' });
        expect(await lock.retention('k')).toEqual(until(500));
      },
    );

    when(features.objectLock)('has no lock where none was asked for', async () => {
      const opened = await open();
      await putAll(opened.store, ['k']);

      expect(await (await objectLockOf(opened)).retention('k')).toBeNull();
    });

    when(!features.objectLock)('refuses to put what it could not lock', async () => {
      const { store } = await open();
      const retention = { mode: 'governance', until: new Date(Date.now() + 60_000) } as const;

      await expect(store.put('k', textContent('k'), { retention })).rejects.toThrow(StoreRefusedError);
    });
  });
}
