import type { Pool, QueryArrayConfig } from 'pg';
import type { Range } from './ranges.ts';
import { type LogRow, logColumns, toLogRow } from './row.ts';
import { parseSnapshot, type Snapshot } from './snapshot.ts';

/** Visible rows behind a position, in order, at most `limit`. Missing numbers among them are gaps. */
export async function readPage(pool: Pool, after: number, limit: number): Promise<LogRow[]> {
  // `order by o.position`, not by the output column of that name, which is text.
  return select(pool, {
    name: 'outbox_page',
    text: `select ${logColumns} from outbox_events o where o.position > $1 order by o.position limit $2`,
    values: [after, limit],
  });
}

/** Rows at the given positions, in order. Positions without a visible row are left out. */
export async function readPositions(pool: Pool, ranges: readonly Range[]): Promise<LogRow[]> {
  if (ranges.length === 0) return [];
  return select(pool, {
    name: 'outbox_positions',
    text: `select ${logColumns} from unnest($1::bigint[], $2::bigint[]) r(first, last)
      join outbox_events o on o.position between r.first and r.last order by o.position`,
    values: [ranges.map((range) => range.first), ranges.map((range) => range.last)],
  });
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
export interface GapRows {
  readonly snapshot: Snapshot;
  readonly rows: LogRow[];
}

/** Rows that are visible in the given ranges, at most `limit`, together with the snapshot they were read in. */
export async function readGaps(pool: Pool, ranges: readonly Range[], limit: number): Promise<GapRows> {
  const config: QueryArrayConfig<unknown[]> = {
    name: 'outbox_gap_rows',
    rowMode: 'array',
    text: `select s.snapshot, f.* from (select pg_current_snapshot()::text as snapshot) s
      left join lateral (
        select ${logColumns} from unnest($1::bigint[], $2::bigint[]) r(first, last)
        join outbox_events o on o.position between r.first and r.last order by o.position limit $3
      ) f on true`,
    values: [ranges.map((range) => range.first), ranges.map((range) => range.last), limit],
  };
  const { rows } = await pool.query<(string | null)[]>(config);
  const filled = rows.filter((row) => row[1] !== null).map((row) => toLogRow(row.slice(1) as string[]));
  return { snapshot: parseSnapshot(rows[0]?.[0] ?? ''), rows: filled };
}

async function select(
  pool: Pool,
  query: { readonly name: string; readonly text: string; readonly values: unknown[] },
): Promise<LogRow[]> {
  const { rows } = await pool.query<string[]>({ ...query, rowMode: 'array' });
  return rows.map(toLogRow);
}
