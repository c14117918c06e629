import { type Kysely, sql } from 'kysely';
import { TopicPartitionsError } from './errors.ts';
import { namedTopics } from './group-runners.ts';
import type { BusDatabase } from './schema.ts';
import {
  restoreStartPosition,
  type StartPosition,
  type StoredStartPosition,
  storeStartPosition,
} from './start-position.ts';

/** A topic as the whole bus knows it. */
export interface RegisteredTopic {
  readonly name: string;
  readonly partitions: number;
}

/** A consumer group as the whole bus knows it. */
export interface RegisteredGroup {
  readonly name: string;
  readonly topics: readonly string[];
  readonly ordering: 'none' | 'aggregate';
  readonly startFrom: 'beginning' | 'now' | 'archive';
  /** By source; empty unless it starts at 'now'. */
  readonly startPositions: ReadonlyMap<string, StartPosition>;
  /** The group's retry policy and windows, for operators to see. `events` are the types it has handlers for. */
  readonly policy: Readonly<Record<string, unknown>>;
}

/** Since when a group has handlers for which event types: `null` since it was registered first. */
export type HandledEvents = ReadonlyMap<string, Date | null>;

/**
 * Makes topics known. A topic keeps the number of partitions it was registered with: events of an aggregate
 * would otherwise change streams.
 * @throws TopicPartitionsError a topic is registered with another number of partitions.
 */
export async function registerTopics(
  db: Kysely<BusDatabase>,
  topics: readonly RegisteredTopic[],
): Promise<void> {
  if (topics.length === 0) return;
  await db
    .insertInto('topics')
    .values(topics.map(({ name, partitions }) => ({ name, partitions })))
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const registered = await loadTopics(db);
  for (const topic of topics) {
    const partitions = registered.get(topic.name)?.partitions;
    if (partitions !== topic.partitions) throw new TopicPartitionsError(topic, partitions);
  }
}

/** Registers topics that nobody has defined yet, with one partition; those that are registered stay as they are. */
export async function registerUnknownTopics(
  db: Kysely<BusDatabase>,
  names: readonly string[],
): Promise<void> {
  await db
    .insertInto('topics')
    .values(names.map((name) => ({ name, partitions: 1 })))
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
}

/** All registered topics by name. */
export async function loadTopics(db: Kysely<BusDatabase>): Promise<Map<string, RegisteredTopic>> {
  const rows = await db.selectFrom('topics').select(['name', 'partitions']).execute();
  return new Map(rows.map((row) => [row.name, row]));
}

/**
 * Makes a group known, or renews what is known of it, and returns the registered group. Where it starts is
 * decided once, by the first registration: later ones keep it. Topics that others of its runners have named lately stay:
 * they may be of another version, and would lose what they have yet to read.
 */
export async function registerGroup(
  db: Kysely<BusDatabase>,
  group: RegisteredGroup,
): Promise<RegisteredGroup> {
  const row = await db
    .insertInto('consumer_groups')
    .values({
      name: group.name,
      topics: [...group.topics],
      topics_named: sql<string>`coalesce((
        select jsonb_object_agg(topic, clock_timestamp()) from unnest(${[...group.topics]}::text[]) topic
      ), '{}')`,
      ordering: group.ordering,
      start_from: group.startFrom,
      start_positions: JSON.stringify(
        Object.fromEntries([...group.startPositions].map(([source, at]) => [source, storeStartPosition(at)])),
      ),
      policy: JSON.stringify(group.policy),
      handled_events: JSON.stringify(handledFromTheStart(group.policy)),
    })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((eb) => ({
        ...namedTopics(group.topics),
        ordering: eb.ref('excluded.ordering'),
        policy: eb.ref('excluded.policy'),
        handled_events: handledNow,
        seen_at: sql<Date>`clock_timestamp()`,
      })),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
  return toRegisteredGroup(row);
}

/** What is handled no more is forgotten: if it comes again, it does so from then on. */
const handledNow = sql<string>`coalesce((
  select jsonb_object_agg(type, coalesce(consumer_groups.handled_events->type, to_jsonb(clock_timestamp())))
  from jsonb_array_elements_text(jsonb_path_query_array(excluded.policy, '$.events[*]')) type
), '{}')`;

function handledFromTheStart({ events }: Readonly<Record<string, unknown>>): Record<string, null> {
  return Object.fromEntries((Array.isArray(events) ? events : []).map((type) => [String(type), null]));
}

/** What all groups have handlers for, by name. */
export async function loadHandledEvents(db: Kysely<BusDatabase>): Promise<Map<string, HandledEvents>> {
  const rows = await db.selectFrom('consumer_groups').select(['name', 'handled_events']).execute();
  return new Map(
    rows.map((row) => [
      row.name,
      new Map(
        Object.entries(row.handled_events).map(([type, since]) => [
          type,
          since === null ? null : new Date(since),
        ]),
      ),
    ]),
  );
}

/** One registered group, or `undefined`. */
export async function loadGroup(db: Kysely<BusDatabase>, name: string): Promise<RegisteredGroup | undefined> {
  const row = await db.selectFrom('consumer_groups').selectAll().where('name', '=', name).executeTakeFirst();
  return row && toRegisteredGroup(row);
}

/** All groups ever registered, by name. */
export async function loadGroups(db: Kysely<BusDatabase>): Promise<RegisteredGroup[]> {
  const rows = await db.selectFrom('consumer_groups').selectAll().orderBy('name').execute();
  return rows.map(toRegisteredGroup);
}

function toRegisteredGroup(row: {
  name: string;
  topics: string[];
  ordering: 'none' | 'aggregate';
  start_from: 'beginning' | 'now' | 'archive';
  start_positions: Record<string, StoredStartPosition>;
  policy: Record<string, unknown>;
}): RegisteredGroup {
  return {
    name: row.name,
    topics: row.topics,
    ordering: row.ordering,
    startFrom: row.start_from,
    startPositions: new Map(
      Object.entries(row.start_positions).map(([source, at]) => [source, restoreStartPosition(at)]),
    ),
    policy: row.policy,
  };
}
