import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import { byCutOff, type FrozenSelection, fits, inOrder, inStates, waitsBehind } from './selection.ts';

/** Letters of one group that failed alike. */
export interface PreviewCause {
  readonly group: string;
  readonly fingerprint: string;
  /** That of one of them, abbreviated. */
  readonly error: string;
  readonly letters: number;
}

/** A letter, in short. */
export interface PreviewLetter {
  readonly group: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly error: string;
}

/** What would be done to letters that are dead. */
export interface LetterPreview {
  readonly letters: number;
  readonly aggregates: number;
  /** The most frequent first, at most twenty. */
  readonly causes: readonly PreviewCause[];
  /** The first twenty in the order of their events, which is the order in which it would be done. */
  readonly first: readonly PreviewLetter[];
}

const shown = 20;

/**
 * Looks what a frozen selection comes to: its first `limit` dead letters in the order of their events.
 * @param ready only those that do not wait behind others.
 */
export async function previewLetters(
  db: Kysely<BusDatabase>,
  { selection, cutOff }: FrozenSelection,
  { ready, limit }: { readonly ready: boolean; readonly limit: number },
): Promise<LetterPreview> {
  const { rows } = await sql<LetterPreview>`
    with chosen as materialized (
      select d.consumer_group as "group", d.event_id as "eventId", d.event_type as "eventType",
        d.aggregate_type as "aggregateType", d.aggregate_id as "aggregateId", d.fingerprint,
        left(case d.error when '' then d.reason else d.error end, 300) as error,
        row_number() over (order by ${inOrder}) as n
      from dead_letters d
      where ${fits(selection)} and ${inStates(['dead'])} and ${byCutOff(cutOff)}
        and ${ready ? sql`not ${waitsBehind}` : sql`true`}
      order by ${inOrder} limit ${limit}
    )
    select (select count(*)::integer from chosen) as letters,
      (select count(distinct ("group", "aggregateType", "aggregateId"))::integer from chosen) as aggregates,
      (select coalesce(jsonb_agg(c), '[]') from (
        select "group", fingerprint, min(error) as error, count(*)::integer as letters
        from chosen group by 1, 2 order by letters desc, 1, 2 limit ${shown}
      ) c) as causes,
      (select coalesce(jsonb_agg(to_jsonb(f) - 'n' - 'fingerprint' order by f.n), '[]') from (
        select * from chosen order by n limit ${shown}
      ) f) as first`.execute(db);
  const [preview] = rows;
  if (preview === undefined) throw new Error('a query of aggregates returned no row');
  return preview;
}

/** How many letters of a frozen selection could be redriven now, wait behind others, or are being redriven. */
export interface LetterCounts {
  readonly ready: number;
  readonly behind: number;
  readonly redriving: number;
}

/** Counts the open letters of a frozen selection. */
export async function countLetters(
  db: Kysely<BusDatabase>,
  { selection, cutOff }: FrozenSelection,
): Promise<LetterCounts> {
  const { rows } = await sql<LetterCounts>`
    select (count(*) filter (where state = 'dead' and not waits))::integer as ready,
      (count(*) filter (where state = 'dead' and waits))::integer as behind,
      (count(*) filter (where state = 'redriving'))::integer as redriving
    from (
      select d.state, ${waitsBehind} as waits from dead_letters d
      where ${fits(selection)} and ${inStates(['dead', 'redriving'])} and ${byCutOff(cutOff)}
    ) d`.execute(db);
  return rows[0] ?? { ready: 0, behind: 0, redriving: 0 };
}
