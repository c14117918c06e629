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
  const status =
    ref.injected === true
      ? await streams.injected(ref.stream, ref.group)
      : ((await streams.groups(ref.stream)).find(({ group }) => group === ref.group) ?? null);
  if (status === null) {
    if (ref.injected === true) return { state: 'none' };
    return { state: 'missing', oldestId: (await streams.stream(ref.stream)).firstId };
  }
  // Looked at after it is known how far was handed out: what is handed out meanwhile lies behind that.
  const place = ref.injected === true ? placeKey(ref) : ref.stream;
  const [pending] = await streams.pending(ref, null, 1);
  const [next] = await streams.range(place, `(${status.lastDeliveredId}`, '+', 1);
  const [oldestId] = [pending?.id, next?.id].filter((id) => id !== undefined).sort(compareEntryIds);
  return oldestId === undefined ? { state: 'none' } : { state: 'some', oldestId };
}
