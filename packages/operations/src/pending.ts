import type { BusDatabase } from '@event-bus/database';
import { type GroupRef, HANDED_BACK, type PendingEntry, type StreamObserver } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { listGroups } from './groups.ts';
import { type StreamUnreadableError, whyUnreadable } from './unreadable.ts';

/**
 * What a pending entry waits for. `in-flight`: for its runner, or for one to take it up; `retrying`: for its next
 * attempt; `given-up`: for the dlq-mover; `vanished`: to be acknowledged, since it stands in its stream no longer.
 */
export type PendingState = 'in-flight' | 'retrying' | 'given-up' | 'vanished';

/** All states, for people to choose from. */
export const pendingStates: readonly PendingState[] = ['in-flight', 'retrying', 'given-up', 'vanished'];

/** The last failure of an entry. */
export interface PendingFailure {
  readonly attempts: number;
  readonly reason: string;
  readonly error: string;
  readonly failedAt: Date;
  /** When it is to be tried again; `null` if it is not. */
  readonly nextAttemptAt: Date | null;
}

/** An entry that was handed to a group and is not settled. */
export interface WaitingEntry {
  readonly group: string;
  readonly stream: string;
  /** It was brought to this group only: a redrive, or a replay. */
  readonly isInjected: boolean;
  readonly entryId: string;
  /** Empty where the entry does not say, as what follows. */
  readonly eventId: string;
  readonly eventType: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly state: PendingState;
  /** `null` if it was handed back. */
  readonly consumer: string | null;
  /** How long nobody has touched it. */
  readonly idleMs: number;
  readonly deliveries: number;
  readonly failure: PendingFailure | null;
}

const pageSize = 100;

/**
 * All entries that are pending, of one group or of all, by group and stream and the oldest first. Reads the whole
 * lists, a page at a time, and keeps no more than that. What moves meanwhile may be left out. What cannot be read hides nothing
 * of the rest.
 * @throws UnknownGroupError that group is neither registered nor on the server.
 */
export async function* listPending(
  from: { readonly bus: Kysely<BusDatabase>; readonly observer: StreamObserver },
  group: string | undefined,
  onUnreadable: (error: StreamUnreadableError) => void,
): AsyncGenerator<WaitingEntry> {
  const { observer } = from;
  for (const { group: name, stream, state } of await listGroups(from, group)) {
    const ref = { stream, group: name };
    try {
      if (state !== 'missing') yield* pendingAt(observer, ref);
      if ((await observer.injected(stream, name)) !== null)
        yield* pendingAt(observer, { ...ref, injected: true });
    } catch (error) {
      onUnreadable(await whyUnreadable(observer, stream, error));
    }
  }
}

/** The oldest entry that is pending in a place. */
export async function oldestPending(
  observer: StreamObserver,
  ref: GroupRef,
): Promise<WaitingEntry | undefined> {
  const [oldest] = await observer.pending(ref, null, 1);
  return oldest && toWaiting(ref, oldest);
}

async function* pendingAt(observer: StreamObserver, ref: GroupRef): AsyncGenerator<WaitingEntry> {
  let after: string | null = null;
  for (;;) {
    const page: PendingEntry[] = await observer.pending(ref, after, pageSize);
    for (const entry of page) yield toWaiting(ref, entry);
    after = page.at(-1)?.id ?? null;
    if (after === null || page.length < pageSize) return;
  }
}

function toWaiting({ stream, group, injected }: GroupRef, entry: PendingEntry): WaitingEntry {
  const { id, consumer, idleMs, deliveries, fields } = entry;
  return {
    group,
    stream,
    isInjected: injected === true,
    entryId: id,
    eventId: fields?.event_id ?? '',
    eventType: fields?.event_type ?? '',
    aggregateType: fields?.aggregate_type ?? '',
    aggregateId: fields?.aggregate_id ?? '',
    state: stateOf(entry),
    consumer: consumer === HANDED_BACK ? null : consumer,
    idleMs,
    deliveries,
    failure: toFailure(entry),
  };
}

function stateOf({ fields, failure }: PendingEntry): PendingState {
  if (fields === null) return 'vanished';
  if (failure === null) return 'in-flight';
  return failure.final ? 'given-up' : 'retrying';
}

function toFailure({ failure }: PendingEntry): PendingFailure | null {
  if (failure === null) return null;
  const { attempts, reason, error, failedAt, dueAt, final } = failure;
  const nextAttemptAt = final ? null : new Date(dueAt);
  return { attempts, reason, error, failedAt: new Date(failedAt), nextAttemptAt };
}
