import { type BusDatabase, type GroupHealth, loadGroupHealth } from '@event-bus/database';
import { countOpenLettersOfAll, type GroupLetters } from '@event-bus/inbox';
import {
  type GroupView,
  listGroups,
  listStreams,
  type OutboxOverview,
  outboxStatus,
  type StreamView,
} from '@event-bus/operations';
import type { ServerFigures, StreamObserver } from '@event-bus/transport';
import type { Kysely } from 'kysely';

/** One group on one stream, and how far behind it is. */
export interface GroupLag extends GroupView {
  /** Age of the oldest entry that was not handed out yet; 0 if all were. `null` while the group is missing. */
  readonly lagSeconds: number | null;
}

/** How the whole bus stands. */
export interface Survey {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly streams: readonly StreamView[];
  readonly groups: readonly GroupLag[];
  readonly server: ServerFigures;
  readonly outbox: OutboxOverview;
  readonly letters: readonly GroupLetters[];
  readonly health: readonly GroupHealth[];
}

/** Where a monitor looks. */
export interface SurveyParts {
  readonly pool: Parameters<typeof outboxStatus>[0];
  readonly database: Kysely<BusDatabase>;
  readonly bus: Kysely<BusDatabase>;
  readonly streams: StreamObserver;
}

/** Looks at everything once, without writing. */
export async function survey({ pool, database, bus, streams }: SurveyParts): Promise<Survey> {
  const [views, groups, server, outbox, letters, health] = await Promise.all([
    listStreams({ bus, pool, observer: streams }),
    listGroups({ bus, observer: streams }),
    streams.figures(),
    outboxStatus(pool),
    countOpenLettersOfAll(database),
    loadGroupHealth(bus),
  ]);
  const at = Date.now();
  const lags = await Promise.all(
    groups.map(async (group) => ({ ...group, lagSeconds: await lagSecondsOf(streams, group, at) })),
  );
  return { at, streams: views, groups: lags, server, outbox, letters, health };
}

/** Told from the stream itself: a server's own lag is unknown after entries were deleted, and old servers have none. */
async function lagSecondsOf(
  streams: StreamObserver,
  { stream, lastDeliveredId }: GroupView,
  now: number,
): Promise<number | null> {
  if (lastDeliveredId === null) return null;
  const [oldest] = await streams.range(stream, `(${lastDeliveredId}`, '+', 1);
  if (oldest === undefined) return 0;
  return Math.max(0, now - Number(oldest.id.split('-')[0])) / 1_000;
}
