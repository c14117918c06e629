import { type BusDatabase, loadGroups, loadHistory, loadRetention } from '@event-bus/database';
import {
  type EventOutcome,
  findLetters,
  findOutcomes,
  type LetterRecord,
  loadInboxGroups,
} from '@event-bus/inbox';
import { type EventBatch, type EventRecord, readBatchOf, readEvent } from '@event-bus/outbox/log';
import { compareEntryIds, issuedAt, type StreamEntry, type StreamObserver } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { OutboxPool } from '../outbox-pool.ts';
import { type GroupProgress, openProgress, settledProgress } from './group-progress.ts';

/** Where an event was written. */
export interface EventPlace {
  readonly stream: string;
  /** Its entry has an ID above the first (`null`: any) and up to the second. */
  readonly after: string | null;
  readonly upTo: string;
}

/** What somebody did to the event. */
export interface EventAction {
  readonly at: Date;
  readonly operator: string;
  readonly action: string;
  /** In which groups. */
  readonly groups: readonly string[];
  readonly reason: string | null;
}

/** The life of one event, as far as the data tells of it. */
export interface EventLife {
  readonly eventId: string;
  /** `null` if it was never here, or its partition was dropped. */
  readonly outbox: EventRecord | null;
  readonly batch: EventBatch | null;
  /** Where it was written, also after it was trimmed; `null` while that is not known. */
  readonly place: EventPlace | null;
  /** Its entry, while it stands in the stream. */
  readonly entry: { readonly stream: string; readonly id: string } | null;
  /** Its place is known to have been trimmed on purpose. */
  readonly isTrimmed: boolean;
  /** One per group that reads its topic, and one per replay. */
  readonly groups: readonly GroupProgress[];
  readonly letters: readonly LetterRecord[];
  /** What people did to it. */
  readonly actions: readonly EventAction[];
  /** Empty where it was appended without a trace. */
  readonly traceId: string;
}

/** Where the life of an event is looked up. */
export interface EventLifeParts {
  /** The outbox. */
  readonly pool: OutboxPool;
  /** Where groups are registered. */
  readonly bus: Kysely<BusDatabase>;
  /** Where their inboxes are. */
  readonly inbox: Kysely<BusDatabase>;
  readonly observer: StreamObserver;
}

/** Puts together what is known of an event, whether or not all of it is still there. Reads only. */
export async function readEventLife(parts: EventLifeParts, eventId: string): Promise<EventLife> {
  const { pool, inbox, observer } = parts;
  const outbox = (await readEvent(pool, eventId)) ?? null;
  const batch = outbox === null ? null : ((await readBatchOf(pool, outbox.position)) ?? null);
  const [letters, actions, outcomes] = await Promise.all([
    findLetters(inbox, eventId),
    actionsOn(inbox, eventId),
    outcomesOf(parts, eventId, outbox),
  ]);
  const place = placeOf(batch, outcomes, letters);
  const found = place === null ? null : await findEntry(observer, place, eventId);
  const entry = place === null || found === null ? null : { stream: place.stream, id: found.id };
  const retention = place === null ? undefined : await loadRetention(parts.bus, place.stream);
  const trimmedTo = retention?.trimmedTo ?? null;
  const topic = outbox?.aggregateType ?? letters[0]?.aggregateType ?? found?.fields.aggregate_type ?? null;
  const settled = outcomes.map(settledProgress);
  const open = await openGroups(parts, { topic, place, entryId: entry?.id ?? null, settled });
  return {
    eventId,
    outbox,
    batch,
    place,
    entry,
    isTrimmed: place !== null && trimmedTo !== null && compareEntryIds(place.upTo, trimmedTo) <= 0,
    groups: [...settled, ...open].sort((a, b) => (a.group < b.group ? -1 : 1)),
    letters,
    actions,
    traceId: traceIdOf(outbox?.traceparent ?? found?.fields.traceparent) || (letters[0]?.traceId ?? ''),
  };
}

const mostActions = 100;

/** The last ones, oldest first; without what they changed, which may be payloads. */
async function actionsOn(inbox: Kysely<BusDatabase>, eventId: string): Promise<EventAction[]> {
  const actions = await loadHistory(inbox, { eventId }, mostActions);
  return actions.toReversed().map(({ at, operator, action, reason, firstEvents }) => ({
    at: new Date(at),
    operator,
    action,
    groups: [...new Set(firstEvents.map(({ group }) => group))],
    reason,
  }));
}

async function outcomesOf(
  { bus, inbox }: EventLifeParts,
  eventId: string,
  outbox: EventRecord | null,
): Promise<EventOutcome[]> {
  const [registered, own] = await Promise.all([loadGroups(bus), loadInboxGroups(inbox)]);
  const groups = [...new Set([...registered.map(({ name }) => name), ...own.map(({ group }) => group)])];
  return findOutcomes(inbox, { groups, eventId, ...(outbox && { occurredAt: outbox.occurredAt }) });
}

const clockMarginMs = 3_600_000;

/**
 * The batch tells it best: it is written again with a lost stream, while the entry that inbox and letters name may have stood
 * there before that, or have been injected. It is not older than the event, and not newer than what they name.
 */
function placeOf(
  batch: EventBatch | null,
  outcomes: readonly EventOutcome[],
  letters: readonly LetterRecord[],
): EventPlace | null {
  if (batch !== null) return { stream: batch.stream, after: batch.entryAfter, upTo: batch.entryUpTo };
  const [known] = [...outcomes.filter(({ replayId }) => replayId === ''), ...letters];
  if (known === undefined) return null;
  const { stream, streamId } = known;
  const since = Math.min(new Date(known.occurredAt).getTime() - clockMarginMs, issuedAt(streamId) - 1);
  return { stream, after: `${Math.max(0, since)}-0`, upTo: streamId };
}

const pageSize = 500;

async function findEntry(
  observer: StreamObserver,
  { stream, after, upTo }: EventPlace,
  eventId: string,
): Promise<StreamEntry | null> {
  let from = after === null ? '-' : `(${after}`;
  for (;;) {
    const page = await observer.range(stream, from, upTo, pageSize);
    const found = page.find(({ fields }) => fields.event_id === eventId);
    if (found !== undefined) return found;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return null;
    from = `(${last.id}`;
  }
}

/** The groups that read the topic and have not settled the event. */
async function openGroups(
  { bus, observer }: EventLifeParts,
  of: {
    readonly topic: string | null;
    readonly place: EventPlace | null;
    readonly entryId: string | null;
    readonly settled: readonly GroupProgress[];
  },
): Promise<GroupProgress[]> {
  const { topic, place, entryId, settled } = of;
  if (topic === null) return [];
  const groups = await loadGroups(bus);
  const statuses = place === null ? [] : await observer.groups(place.stream);
  const isSettled = (group: string) =>
    settled.some((progress) => progress.group === group && progress.replayId === '');
  return Promise.all(
    groups
      .filter(({ name, topics: read }) => read.includes(topic) && !isSettled(name))
      .map(({ name: group }) =>
        openProgress(observer, group, {
          isWritten: place !== null,
          entryId,
          status: statuses.find((status) => status.group === group),
        }),
      ),
  );
}

/** The second part of a W3C traceparent. */
function traceIdOf(traceparent: string | undefined): string {
  return /^[\da-f]{2}-([\da-f]{32})-/.exec(traceparent ?? '')?.[1] ?? '';
}
