import type { BusDatabase, Replay } from '@event-bus/database';
import type { StreamObserver } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { type GroupView, listGroups } from '../groups.ts';
import { oldestPending, type WaitingEntry } from '../pending.ts';

/** What keeps a replay from getting on, while it does not. */
export type ReplayObstacle =
  | { readonly kind: 'no-runner' }
  | { readonly kind: 'paused'; readonly pause: NonNullable<GroupView['pause']> }
  | { readonly kind: 'circuit'; readonly circuit: NonNullable<GroupView['circuit']> }
  /** The oldest event that is injected and not settled has failed: nothing behind it counts as settled. */
  | { readonly kind: 'failing'; readonly entry: WaitingEntry };

/** Looks for what the group of a replay waits for; `null` if there is nothing to be seen. */
export async function findReplayObstacle(
  from: { readonly bus: Kysely<BusDatabase>; readonly observer: StreamObserver },
  { group, streams }: Pick<Replay, 'group' | 'streams'>,
): Promise<ReplayObstacle | null> {
  const [view] = await listGroups(from, group);
  if (view === undefined || view.runners === 0) return { kind: 'no-runner' };
  if (view.pause !== null) return { kind: 'paused', pause: view.pause };
  if (view.circuit !== null) return { kind: 'circuit', circuit: view.circuit };
  for (const { stream, isDone } of streams) {
    if (isDone || (await from.observer.injected(stream, group)) === null) continue;
    const entry = await oldestPending(from.observer, { stream, group, injected: true });
    if (entry !== undefined && entry.failure !== null) return { kind: 'failing', entry };
  }
  return null;
}
