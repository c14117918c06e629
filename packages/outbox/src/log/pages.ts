import type { Pool, QueryArrayConfig } from 'pg';
import type { Range } from './ranges.ts';
import { type LogRow, logColumns, toLogRow } from './row.ts';
import { parseSnapshot, type Snapshot } from './snapshot.ts';

/** How much is read at a time: a page ends with the row that reaches one of these. */
export interface PageLimits {
  /** Rows. */
  readonly pageSize: number;
  /** Bytes of payloads and headers. */
  readonly pageBytes: number;
}

/** Rows of the log. */
export interface LogPage {
  readonly rows: readonly LogRow[];
  /** A limit was reached: there may be more. */
  readonly isFull: boolean;
}

const bytes = 'coalesce(o.bytes, octet_length(o.payload::text))';
const total = (order: string) => `sum(${bytes}) over (order by ${order} rows unbounded preceding) as total`;

/** The first of some rows, which know their {@link total}, that have `limit` bytes. The payloads of others are not read. */
const firstOf = (rows: string, limit: string, order: string) => `
  select ${logColumns}, o.total::text from (${rows}) o where o.total - ${bytes} < ${limit} order by ${order}`;

// `order by o.position`, not by the output column of that name, which is text.
const pageSql = firstOf(
  `select o.*, ${total('o.position')} from outbox_events o where o.position > $1 order by o.position limit $2`,
  '$3',
  'o.position',
);

// The limits within keep a look into wide ranges from reading all of them. The order is by the ordinality itself, in which
// the planner knows the ranges to come: were it a column of the subquery, the rows of all ranges would be read and sorted.
const rangesSql = firstOf(
  `select o.*, ${total('o.n, o.position')} from (
     select r.n, o.* from unnest($1::bigint[], $2::bigint[]) with ordinality r(first, last, n)
     cross join lateral (
       select o.* from outbox_events o where o.position between r.first and r.last order by o.position limit $3
     ) o order by r.n, o.position limit $3
   ) o`,
  '$4',
  'o.n, o.position',
);

/** Visible rows behind a position, in order. Missing numbers among them are gaps. */
export async function readPage(pool: Pool, after: number, limits: PageLimits): Promise<LogPage> {
  const { rows } = await pool.query<string[]>({
    name: 'outbox_page',
    rowMode: 'array',
    text: pageSql,
    values: [after, limits.pageSize, limits.pageBytes],
  });
  return toPage(rows, limits);
}

/** Rows at the given positions, in the order of the ranges. Positions without a visible row are left out. */
export async function readPositions(
  pool: Pool,
  ranges: readonly Range[],
  limits: PageLimits,
): Promise<LogPage> {
  const { rows } = await pool.query<string[]>({
    name: 'outbox_positions',
    rowMode: 'array',
    text: rangesSql,
    values: rangeValues(ranges, limits),
  });
  return toPage(rows, limits);
}

/** The database's current snapshot. */
export async function readSnapshot(pool: Pool): Promise<Snapshot> {
  const { rows } = await pool.query<{ snapshot: string }>({
    name: 'outbox_snapshot',
    text: 'select pg_current_snapshot()::text as snapshot',
  });
  return parseSnapshot(rows[0]?.snapshot ?? '');
}

/** What became visible in gaps, and the snapshot that says so. */
export interface GapPage extends LogPage {
  readonly snapshot: Snapshot;
}

/** Rows that are visible in the given ranges, in order, together with the snapshot they were read in. */
export async function readGaps(pool: Pool, ranges: readonly Range[], limits: PageLimits): Promise<GapPage> {
  const config: QueryArrayConfig<unknown[]> = {
    name: 'outbox_gap_rows',
    rowMode: 'array',
    text: `select s.snapshot, f.* from (select pg_current_snapshot()::text as snapshot) s
      left join lateral (${rangesSql}) f on true`,
    values: rangeValues(ranges, limits),
  };
  const { rows } = await pool.query<(string | null)[]>(config);
  const filled = rows.filter((row) => row[1] !== null).map((row) => row.slice(1) as string[]);
  return { snapshot: parseSnapshot(rows[0]?.[0] ?? ''), ...toPage(filled, limits) };
}

function rangeValues(ranges: readonly Range[], { pageSize, pageBytes }: PageLimits): unknown[] {
  return [ranges.map((range) => range.first), ranges.map((range) => range.last), pageSize, pageBytes];
}

function toPage(rows: readonly string[][], { pageSize, pageBytes }: PageLimits): LogPage {
  const total = Number(rows.at(-1)?.at(-1) ?? 0);
  return { rows: rows.map(toLogRow), isFull: rows.length >= pageSize || total >= pageBytes };
}
