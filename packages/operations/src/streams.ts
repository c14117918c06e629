import type { BusDatabase } from '@event-bus/database';
import { newestBatches } from '@event-bus/outbox/log';
import type { StreamObserver, WriterMark } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { entryTime } from './entry-time.ts';
import type { OutboxPool } from './outbox-pool.ts';
import { registeredStreams } from './topology.ts';
import { toViews, unlessUnreadable, type Views } from './unreadable.ts';

/** What one outbox wrote to a stream last. */
export interface StreamWriterView extends WriterMark {
  readonly source: string;
  /** `null` if the entry no longer stands in the stream: it was trimmed, or the stream went back in time. */
  readonly position: number | null;
}

/** One stream. */
export interface StreamView {
  readonly stream: string;
  /** `null` if no registered topic has this stream, though the outbox wrote to it. */
  readonly topic: string | null;
  readonly exists: boolean;
  readonly length: number;
  readonly firstId: string | null;
  readonly firstAt: Date | null;
  readonly lastId: string | null;
  readonly lastAt: Date | null;
  readonly writers: readonly StreamWriterView[];
  /** Up to which entry ID the stream was trimmed on purpose. */
  readonly trimmedTo: string | null;
  /** Names of the groups that exist on the server. */
  readonly groups: readonly string[];
}

/**
 * All streams of all registered topics, and any other that the outbox in `pool` has written to. Reads only. One that cannot be
 * read hides no other.
 */
export async function listStreams(from: {
  readonly bus: Kysely<BusDatabase>;
  readonly pool: OutboxPool;
  readonly observer: StreamObserver;
}): Promise<Views<StreamView>> {
  const topics = await registeredStreams(from.bus);
  const written = (await newestBatches(from.pool)).map(({ stream }) => stream);
  const names = [...new Set([...topics.keys(), ...written])];
  const { observer } = from;
  const looks = names.map((name) =>
    unlessUnreadable(observer, name, () => look(observer, name, topics.get(name) ?? null)),
  );
  return toViews(await Promise.all(looks));
}

async function look(observer: StreamObserver, name: string, topic: string | null): Promise<StreamView> {
  const [status, groups] = await Promise.all([observer.stream(name), observer.groups(name)]);
  const writers = await Promise.all(
    [...status.writers].map(async ([source, mark]) => ({
      source,
      ...mark,
      position: await positionOf(observer, name, mark),
    })),
  );
  return {
    stream: name,
    topic,
    exists: status.exists,
    length: status.length,
    firstId: status.firstId,
    firstAt: status.firstId === null ? null : entryTime(status.firstId),
    lastId: status.lastId,
    lastAt: status.lastId === null ? null : entryTime(status.lastId),
    writers,
    trimmedTo: status.trimmedTo,
    groups: groups.map(({ group }) => group).sort(),
  };
}

async function positionOf(
  observer: StreamObserver,
  stream: string,
  mark: WriterMark,
): Promise<number | null> {
  const [entry] = await observer.range(stream, mark.entryId, mark.entryId, 1);
  return entry?.fields.event_id === mark.eventId ? Number(entry.fields.position) : null;
}
