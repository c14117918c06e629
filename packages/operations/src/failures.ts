import type { EventTransport, FailureRecord, GroupStatus, StreamEntry } from '@event-bus/transport';
import { UnknownGroupError } from './errors.ts';

/** A pending entry that will not be retried. */
export interface FailedEntry {
  readonly stream: string;
  readonly entryId: string;
  readonly eventId: string;
  /** Empty where the entry does not say. */
  readonly eventType: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly attempts: number;
  readonly reason: string;
  readonly error: string;
  readonly failedAt: Date;
}

/** The failed entries of a group. */
export interface GroupFailures {
  readonly entries: readonly FailedEntry[];
  /** Failures on record beyond those: of entries that no longer stand in their stream, or above the limit. */
  readonly others: number;
}

const pageSize = 500;

/**
 * The entries of a group that will not be retried, oldest first, at most `limit` per stream. Failures are on record by
 * entry ID, so a stream is read from its beginning until as many are found as there are: it costs nothing where
 * nothing failed. Reads only.
 * @param streams the streams that the group reads.
 * @throws UnknownGroupError none of the streams has such a group.
 */
export async function listFailures(
  transport: EventTransport,
  group: string,
  streams: readonly string[],
  limit: number,
): Promise<GroupFailures> {
  const observer = transport.observer();
  const statuses = (await Promise.all(streams.map((stream) => observer.groups(stream)))).flat();
  const own = statuses.filter((status) => status.group === group);
  if (own.length === 0)
    throw new UnknownGroupError(group, [...new Set(statuses.map((status) => status.group))]);

  const reader = transport.reader();
  const entries: FailedEntry[] = [];
  let others = 0;
  for (const status of own) {
    const wanted = Math.min(status.failed, limit);
    const found: FailedEntry[] = [];
    for await (const page of pagesOf(observer, status)) {
      if (found.length >= wanted) break;
      const records = await reader.failures(
        status,
        page.map(({ id }) => id),
      );
      found.push(...page.flatMap((entry) => failedEntry(status.stream, entry, records.get(entry.id))));
    }
    entries.push(...found.slice(0, wanted));
    others += status.failed - Math.min(found.length, wanted);
  }
  return { entries, others };
}

/** Everything that was handed out, a page at a time. */
async function* pagesOf(
  observer: ReturnType<EventTransport['observer']>,
  { stream, lastDeliveredId, failed }: GroupStatus,
): AsyncGenerator<readonly StreamEntry[]> {
  if (failed === 0) return;
  let from = '-';
  for (;;) {
    const page = await observer.range(stream, from, lastDeliveredId, pageSize);
    const fresh = page.filter(({ id }) => id !== from);
    const last = fresh.at(-1);
    if (last === undefined) return;
    yield fresh;
    from = last.id;
  }
}

function failedEntry(stream: string, entry: StreamEntry, record: FailureRecord | undefined): FailedEntry[] {
  const { fields } = entry;
  const eventId = fields.event_id ?? '';
  if (record === undefined || !record.final || record.eventId !== eventId) return [];
  return [
    {
      stream,
      entryId: entry.id,
      eventId,
      eventType: fields.event_type ?? '',
      aggregateType: fields.aggregate_type ?? '',
      aggregateId: fields.aggregate_id ?? '',
      attempts: record.attempts,
      reason: record.reason,
      error: record.error,
      failedAt: new Date(record.failedAt),
    },
  ];
}
