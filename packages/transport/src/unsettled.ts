import { compareEntryIds } from './entry-id.ts';
import { placeKey } from './keys.ts';
import type { GroupRef, StreamObserver } from './transport.ts';

/** What a group has yet to settle in one place, by its oldest entry. */
export type Unsettled =
  | { readonly state: 'none' }
  | { readonly state: 'some'; readonly oldestId: string }
  /** The group is not on the server. Where it exists, the whole stream lies before it. */
  | { readonly state: 'missing'; readonly oldestId: string | null };

/**
 * The oldest entry of a place that a group has not acknowledged: pending, or not handed out yet. Whatever the group does
 * meanwhile, it has acknowledged all below. Of what is injected, a group that never read there is owed nothing.
 */
export async function oldestUnsettled(streams: StreamObserver, ref: GroupRef): Promise<Unsettled> {
  const place = placeKey(ref);
  const progress = await streams.progress(ref);
  if (progress === null) {
    if (ref.injected === true) return { state: 'none' };
    const [first] = await streams.range(place, '-', '+', 1);
    return { state: 'missing', oldestId: first?.id ?? null };
  }
  const { lastDeliveredId, oldestPendingId } = progress;
  const [next] = await streams.range(place, `(${lastDeliveredId}`, '+', 1);
  const [oldestId] = [oldestPendingId, next?.id].filter((id) => typeof id === 'string').sort(compareEntryIds);
  return oldestId === undefined ? { state: 'none' } : { state: 'some', oldestId };
}
