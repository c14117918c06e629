import {
  type EntryMover,
  type GroupRef,
  type GroupStatus,
  HANDED_BACK,
  type StreamObserver,
} from '@event-bus/transport';
import type { MoverObserver } from './observer.ts';

/**
 * Removes the names of consumers that hold nothing and have not been heard of for long. Names with pending entries stay:
 * those are claimed from them first, by the group's runners.
 */
export async function removeDeadConsumers(
  parts: { readonly mover: EntryMover; readonly streams: StreamObserver; readonly observer: MoverObserver },
  ref: GroupRef,
  idleMs: number,
): Promise<void> {
  const { mover, streams, observer } = parts;
  const status = await look(streams, ref);
  for (const { name, pending, idleMs: idle } of status?.consumers ?? []) {
    if (name === HANDED_BACK || pending > 0 || idle < idleMs) continue;
    if (await mover.removeIdleConsumer(ref, name, idleMs)) observer.consumerRemoved(ref, name);
  }
}

async function look(streams: StreamObserver, ref: GroupRef): Promise<GroupStatus | null> {
  if (ref.injected === true) return streams.injected(ref.stream, ref.group);
  return (await streams.groups(ref.stream)).find(({ group }) => group === ref.group) ?? null;
}
