import { createHash } from 'node:crypto';
import { streamPrefix } from './layout/object-key.ts';
import { type ArchivedObject, listObjects } from './list-objects.ts';
import type { ArchiveStore } from './store/store.ts';

const HOUR_MS = 3_600_000;
const BATCH_KEYS = 1_000;

/** Which objects have expired: those of a stream whose whole hour lies before an instant. */
export interface Expiry {
  readonly stream: string;
  readonly before: Date;
}

/** The objects that have expired, oldest first. */
export async function* listExpired(
  store: ArchiveStore,
  { stream, before }: Expiry,
): AsyncGenerator<ArchivedObject> {
  for await (const object of listObjects(store, { stream })) {
    if (object.hour.getTime() + HOUR_MS > before.getTime()) return;
    yield object;
  }
}

/** What has been deleted. */
export interface Deleted {
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Deletes the objects that have expired, oldest first and many at a time, so that what is left has no gap wherever it is
 * killed. Gives out each batch when it is gone.
 */
export async function* deleteExpired(store: ArchiveStore, expiry: Expiry): AsyncGenerator<Deleted> {
  let batch: ArchivedObject[] = [];
  const remove = async (): Promise<Deleted> => {
    const objects = batch;
    batch = [];
    await store.delete(objects.map(({ key }) => key));
    return { objects: objects.length, bytes: objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
  };
  for await (const object of listExpired(store, expiry)) {
    batch.push(object);
    if (batch.length === BATCH_KEYS) yield await remove();
  }
  if (batch.length > 0) yield await remove();
}

/**
 * Has the store itself delete objects of these streams, so many days after they were put: a backstop behind
 * `deleteExpired`, where there is nobody to run it. It deletes in no order, so it should come some days later. Replaces all
 * that was set before; says whether the store has such rules.
 */
export async function setExpiryRules(
  store: ArchiveStore,
  rules: readonly { readonly stream: string; readonly days: number }[],
): Promise<boolean> {
  const { lifecycle } = await store.capabilities();
  if (lifecycle === null) return false;
  await lifecycle.setRules(
    rules.map(({ stream, days }) => ({
      id: createHash('sha256').update(stream).digest('hex').slice(0, 16),
      prefix: streamPrefix(stream),
      days,
    })),
  );
  return true;
}
