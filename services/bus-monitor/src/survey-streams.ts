import { platformCatalog } from '@event-bus/contracts';
import { loadArchivedTo } from '@event-bus/database';
import {
  type GroupView,
  listGroups,
  listStreams,
  type StreamUnreadableError,
  type StreamView,
} from '@event-bus/operations';
import { issuedAt, type StreamObserver } from '@event-bus/transport';
import type { SurveyParts } from './survey.ts';

/** One stream, and how far its archive is behind. */
export interface StreamState extends StreamView {
  /**
   * For how long the oldest entry has been due to be archived: since it left the hot window. 0 if none is due. `null` where
   * this monitor does not know the topic, and so not its window.
   */
  readonly archiveOverdueSeconds: number | null;
}

/** One group on one stream, and how far behind it is. */
export interface GroupState extends GroupView {
  /** Age of the oldest entry that was not handed out yet; 0 if all were. `null` while the group is not seen. */
  readonly lagSeconds: number | null;
  /**
   * For how long the group has kept its oldest unacknowledged entry from being trimmed: since that left the hot window. 0 if
   * it keeps none. `null` where this monitor does not know the topic, where the stream cannot be read, and for a group that is
   * not registered: no trim waits for it.
   */
  readonly trimBlockedSeconds: number | null;
}

/** All streams and all groups on them. */
export interface StreamSurvey {
  readonly streams: readonly StreamState[];
  readonly groups: readonly GroupState[];
  /** Of these nothing else is told. */
  readonly unreadable: readonly StreamUnreadableError[];
}

/** Looks at the streams and their groups once. */
export async function surveyStreams(
  from: Pick<SurveyParts, 'bus' | 'pool' | 'streams'>,
): Promise<StreamSurvey> {
  const { bus, pool, streams: observer } = from;
  const [{ views: streams, unreadable }, groups, archivedTo] = await Promise.all([
    listStreams({ bus, pool, observer }),
    listGroups({ bus, observer }),
    loadArchivedTo(bus),
  ]);
  const now = Date.now();
  const hotMs = new Map(streams.map(({ stream, topic }) => [stream, hotWindowMs(topic)]));
  const overdueSeconds = (stream: string, at: number | null): number | null => {
    const window = hotMs.get(stream) ?? null;
    if (window === null) return null;
    return at === null ? 0 : Math.max(0, now - at - window) / 1_000;
  };
  return {
    streams: await Promise.all(
      streams.map(async (view) => {
        const due = await oldestAfter(observer, view.stream, archivedTo.get(view.stream) ?? null);
        return { ...view, archiveOverdueSeconds: overdueSeconds(view.stream, due) };
      }),
    ),
    groups: await Promise.all(
      groups.map(async (group) => {
        if (group.state === 'unreadable') return { ...group, lagSeconds: null, trimBlockedSeconds: null };
        const unread = await oldestAfter(observer, group.stream, group.lastDeliveredId);
        const pending = group.oldestPendingId === null ? null : issuedAt(group.oldestPendingId);
        return {
          ...group,
          lagSeconds: lagSecondsOf(group, unread, now),
          trimBlockedSeconds:
            group.state === 'unregistered' ? null : overdueSeconds(group.stream, earliest(unread, pending)),
        };
      }),
    ),
    unreadable,
  };
}

/** Told from the stream itself: a server's own lag is unknown after entries were deleted, and old servers have none. */
function lagSecondsOf({ lastDeliveredId }: GroupView, unread: number | null, now: number): number | null {
  if (lastDeliveredId === null) return null;
  return unread === null ? 0 : Math.max(0, now - unread) / 1_000;
}

function earliest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

/** When the oldest entry behind an ID, or of all, entered the stream. `null` if there is none. */
async function oldestAfter(
  observer: StreamObserver,
  stream: string,
  after: string | null,
): Promise<number | null> {
  const [entry] = await observer.range(stream, after === null ? '-' : `(${after}`, '+', 1);
  return entry === undefined ? null : issuedAt(entry.id);
}

function hotWindowMs(topic: string | null): number | null {
  return platformCatalog.topics.find(({ name }) => name === topic)?.retention.hotMs ?? null;
}
