import {
  CommandRejectedError,
  type EntryMover,
  type GroupStatus,
  HANDED_BACK,
  type StreamObserver,
} from '@event-bus/transport';
import type { MoverObserver } from './observer.ts';
import { sideBySide } from './side-by-side.ts';
import type { Target } from './targets.ts';

/**
 * Removes the names of consumers that hold nothing and have not been heard of for long. Names with pending entries stay:
 * those are claimed from them first, by the group's runners. Groups that nobody registered are left alone.
 */
export async function removeDeadConsumers(
  parts: { readonly mover: EntryMover; readonly streams: StreamObserver; readonly observer: MoverObserver },
  targets: readonly Target[],
  { idleMs, signal }: { readonly idleMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { mover, streams, observer } = parts;
  const own = targets.filter(({ isStranger }) => !isStranger);
  const names = new Set(own.map(({ group }) => group));
  const all = new Set(own.flatMap((target) => target.streams));
  await sideBySide('of the streams', all, { atATime: 1 }, async (stream) => {
    if (signal.aborted) return;
    for (const status of await statusesOf(streams, stream, names)) {
      for (const { name, pending, idleMs: idle } of status.consumers) {
        if (name === HANDED_BACK || pending > 0 || idle < idleMs) continue;
        if (await mover.removeIdleConsumer(status, name, idleMs)) observer.consumerRemoved(status, name);
      }
    }
  });
}

/** Both places of each of the groups, as far as they exist. */
async function statusesOf(
  streams: StreamObserver,
  stream: string,
  names: ReadonlySet<string>,
): Promise<GroupStatus[]> {
  try {
    const statuses = (await streams.groups(stream)).filter(({ group }) => names.has(group));
    const injected = await Promise.all(statuses.map(({ group }) => streams.injected(stream, group)));
    return [...statuses, ...injected.filter((status) => status !== null)];
  } catch (error) {
    // A key that became something else has no consumers; the publisher says so.
    if (error instanceof CommandRejectedError) return [];
    throw error;
  }
}
