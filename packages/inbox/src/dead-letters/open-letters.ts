import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';

/** The dead letters of one group on one stream. */
export interface LetterPlace {
  readonly group: string;
  readonly stream: string;
}

/** How many letters are open at a place, and how they are known to stand in Redis. */
export interface OpenLetters extends LetterPlace {
  readonly dead: number;
  /** Of these, how many have a copy. */
  readonly copied: number;
  /** How many have none, though they are old enough: what was given up a moment ago is just being moved. */
  readonly uncopied: number;
  readonly redriving: number;
  /** Of these, how many were not injected yet. */
  readonly uninjected: number;
}

/** The condition on dead_letters to be given up long enough ago. */
export const isSettled = sql<boolean>`dead_at < clock_timestamp() - interval '3 seconds'`;

/**
 * The event ID that the entry of dead_letters `d` carries; empty where it carries none. A foreign entry may hold a NUL,
 * which PostgreSQL keeps as JSON and refuses to read.
 */
export const entryEventId = sql<string>`
  coalesce(replace(d.fields::text, '\\u0000', '\\ufffd')::json->>'event_id', '')`;

/** The places that have open letters, of all groups whose letters are in this database. */
export async function countOpenLetters(db: Kysely<BusDatabase>): Promise<OpenLetters[]> {
  const { rows } = await sql<OpenLetters>`
    select consumer_group as "group", stream,
      (count(*) filter (where state = 'dead'))::int as dead,
      (count(*) filter (where state = 'dead' and dlq_id is not null))::int as copied,
      (count(*) filter (where state = 'dead' and dlq_id is null and ${isSettled}))::int as uncopied,
      (count(*) filter (where state = 'redriving'))::int as redriving,
      (count(*) filter (where state = 'redriving' and inject_id is null))::int as uninjected
    from dead_letters where state in ('dead', 'redriving')
    group by consumer_group, stream order by consumer_group, stream`.execute(db);
  return rows;
}

/** How many letters of a group are open. */
export interface GroupLetters {
  readonly group: string;
  readonly dead: number;
  readonly redriving: number;
}

/** The same for every group whose inbox is in this database. */
export async function countOpenLettersOfAll(db: Kysely<BusDatabase>): Promise<GroupLetters[]> {
  const { rows } = await sql<GroupLetters>`
    select g.consumer_group as "group", (count(*) filter (where d.state = 'dead'))::int as dead,
      (count(*) filter (where d.state = 'redriving'))::int as redriving
    from inbox_groups g
    left join dead_letters d on d.consumer_group = g.consumer_group and d.state in ('dead', 'redriving')
    group by g.consumer_group order by g.consumer_group`.execute(db);
  return rows;
}
