import { type BusDatabase, loadGroups, loadRetentions, type StreamRetention } from '@event-bus/database';
import { compareEntryIds, issuedAt, type StreamObserver, type StreamTrimmer } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { formerStreams, readersOf, retainedStreams } from '../topology.ts';
import { type StreamUnreadableError, toViews, unlessUnreadable, type Views } from '../unreadable.ts';
import type { PolicyOf } from './policy.ts';
import { type TrimTerm, trimTerms } from './terms.ts';
import { hotWindow } from './window.ts';

/** How a stream stands between its memory and its archive. */
export interface RetentionView {
  readonly stream: string;
  readonly topic: string;
  readonly length: number;
  readonly bytes: number;
  readonly firstId: string | null;
  /** Everything up to this entry is verified in the archive; `null` if nothing is. */
  readonly archivedTo: string | null;
  readonly archivedAt: Date | null;
  /** Age of the oldest entry that is not in the archive; 0 if all are. */
  readonly archiveLagMs: number;
  readonly trimmedTo: string | null;
  readonly trimmedAt: Date | null;
  /** All that stands against trimming, the strictest first. */
  readonly terms: readonly TrimTerm[];
  /** Groups that keep entries which the hot window and the archive would let go, and since when they do. */
  readonly blockedBy: readonly { readonly group: string; readonly since: Date }[];
}

/** Where retention is looked at. */
export interface RetentionParts {
  readonly bus: Kysely<BusDatabase>;
  readonly observer: StreamObserver;
  readonly trimmer: StreamTrimmer;
  readonly policyOf: PolicyOf;
}

/**
 * How every stream of every registered topic stands, former ones included, or some of them. Reads only. One that cannot be
 * read hides no other.
 */
export async function retentionStatus(
  parts: RetentionParts,
  only?: readonly string[],
): Promise<Views<RetentionView>> {
  const { bus, observer } = parts;
  const [streams, former, groups, retentions] = await Promise.all([
    retainedStreams(bus),
    formerStreams(bus),
    loadGroups(bus),
    loadRetentions(bus),
  ]);
  const recorded = new Map(retentions.map((retention) => [retention.stream, retention]));
  const looks: (RetentionView | StreamUnreadableError)[] = [];
  for (const [stream, topic] of streams) {
    if (only !== undefined && !only.includes(stream)) continue;
    const retention = recorded.get(stream);
    const seen = await unlessUnreadable(observer, stream, async () => {
      const present = former.has(stream) ? await observer.groupNames(stream) : null;
      const readers = readersOf(groups, topic, present);
      const view = await look(parts, { stream, topic, readers, retention });
      const neverWas = present !== null && retention === undefined && view.length === 0;
      return neverWas ? null : view;
    });
    if (seen !== null) looks.push(seen);
  }
  return toViews(looks);
}

async function look(
  { observer, trimmer, policyOf }: RetentionParts,
  {
    stream,
    topic,
    readers,
    retention,
  }: {
    readonly stream: string;
    readonly topic: string;
    readonly readers: readonly string[];
    readonly retention: StreamRetention | undefined;
  },
): Promise<RetentionView> {
  const archived = retention?.archived ?? null;
  const anchor = archived === null ? undefined : { id: archived.entryId, eventId: archived.eventId };
  const bounds = await trimmer.bounds(stream, readers, anchor);
  const policy = policyOf(topic);
  const window = await hotWindow(observer, stream, bounds, policy);
  const terms = trimTerms(bounds, retention, window.from);
  return {
    stream,
    topic,
    length: bounds.length,
    bytes: bounds.bytes,
    firstId: bounds.firstId,
    archivedTo: archived?.entryId ?? null,
    archivedAt: retention?.archivedAt ?? null,
    archiveLagMs: await archiveLag(observer, stream, terms, bounds.nowMs),
    trimmedTo: retention?.trimmedTo ?? bounds.trimmedTo,
    trimmedAt: retention?.trimmedAt ?? null,
    terms,
    blockedBy: blockers(terms, bounds.firstId, policy.hotMs),
  };
}

async function archiveLag(
  observer: StreamObserver,
  stream: string,
  terms: readonly TrimTerm[],
  nowMs: number,
): Promise<number> {
  const from = terms.find(({ kind }) => kind === 'archive')?.keepFrom ?? '-';
  const [oldest] = await observer.range(stream, from, '+', 1);
  return oldest === undefined ? 0 : Math.max(0, nowMs - issuedAt(oldest.id));
}

/** An entry is blocked from when it left the hot window. */
function blockers(
  terms: readonly TrimTerm[],
  firstId: string | null,
  hotMs: number,
): RetentionView['blockedBy'] {
  if (firstId === null) return [];
  const others = terms.filter(({ kind }) => kind !== 'group');
  const free = others[0]?.keepFrom ?? '0-0';
  return terms
    .filter(({ kind, keepFrom }) => kind === 'group' && compareEntryIds(keepFrom, free) < 0)
    .map(({ name, keepFrom }) => {
      const kept = compareEntryIds(keepFrom, firstId) > 0 ? keepFrom : firstId;
      return { group: name, kept };
    })
    .filter(({ kept }) => compareEntryIds(kept, free) < 0)
    .map(({ group, kept }) => ({ group, since: new Date(issuedAt(kept) + hotMs) }));
}
