import type { WhyKept } from '@event-bus/database';
import type { Pool } from 'pg';

/** Up to which batch nobody needs a stream's events from the log any more, and why not those behind it. */
export interface DisposableBatches {
  readonly stream: string;
  readonly number: number;
  /** What the next batch waits for, as part of a sentence. */
  readonly reason: string;
}

interface Kept {
  readonly kind: string | null;
  readonly reason: string | null;
}

/**
 * Empties a partition if every event in it is in a disposable batch; `undefined` if it is empty now. Proved under a lock
 * that waits for every transaction which has inserted into it; waits for none longer than a moment.
 */
export async function emptyPartition(
  pool: Pool,
  partition: string,
  disposable: readonly DisposableBatches[],
): Promise<WhyKept | undefined> {
  const { rows } = await pool.query<Kept>('select kind, reason from outbox_empty_partition($1, $2, $3, $4)', [
    partition,
    ...columns(disposable),
  ]);
  return toWhyKept(rows[0]);
}

/** What keeps a partition from being emptied, as far as can be told without a lock; `undefined` if nothing does. */
export async function explainPartition(
  pool: Pool,
  partition: string,
  disposable: readonly DisposableBatches[],
): Promise<WhyKept | undefined> {
  const { rows } = await pool.query<Kept>(
    'select kind, reason from outbox_explain_partition($1, $2, $3, $4)',
    [partition, ...columns(disposable)],
  );
  return toWhyKept(rows[0]);
}

/** Holds what no daily partition covers. */
export const defaultPartition = 'outbox_events_default';

/** What became of old rows of the default partition. */
export interface DefaultPruned {
  readonly pruned: number;
  readonly kept: WhyKept | undefined;
}

/** Deletes rows of the default partition that are older than that and in disposable batches, at most `most`. */
export async function pruneDefaultPartition(
  pool: Pool,
  olderThan: Date,
  most: number,
  disposable: readonly DisposableBatches[],
): Promise<DefaultPruned> {
  const { rows } = await pool.query<Kept & { pruned: number }>(
    'select pruned, kind, reason from outbox_prune_default($1, $2, $3, $4, $5)',
    [olderThan, most, ...columns(disposable)],
  );
  return { pruned: rows[0]?.pruned ?? 0, kept: toWhyKept(rows[0]) };
}

function columns(disposable: readonly DisposableBatches[]): [string[], number[], string[]] {
  return [
    disposable.map(({ stream }) => stream),
    disposable.map(({ number }) => number),
    disposable.map(({ reason }) => reason),
  ];
}

function toWhyKept(kept: Kept | undefined): WhyKept | undefined {
  if (kept === undefined || kept.kind === null) return undefined;
  return { kind: kept.kind, reason: kept.reason ?? '' };
}

/** What the log no longer has, and never will again: everything up to a position, and all that was inserted before a time. */
export async function readFloor(
  pool: Pool,
): Promise<{ readonly position: number; readonly insertedAt: Date }> {
  const { rows } = await pool.query<{ position: string; inserted_at: Date }>(
    'select position::text, inserted_at from outbox_floor()',
  );
  const [floor] = rows;
  if (floor === undefined) throw new Error('outbox_cursor has no row: restore it');
  return { position: Number(floor.position), insertedAt: floor.inserted_at };
}

/**
 * Forgets batches whose events are all gone from the log and that were written before `olderThan`: no backup that one
 * would restore ends with one of them. The newest of them stays, and so does the newest of every stream: a stream that
 * lacks even that one is older than anything that the log could mend. At most `most` a call; returns how many.
 */
export async function forgetBatches(pool: Pool, olderThan: Date, most: number): Promise<number> {
  const { rowCount } = await pool.query(
    `with recursive streams as (
       (select stream from outbox_batches order by stream limit 1)
       union all
       select (select b.stream from outbox_batches b where b.stream > s.stream order by b.stream limit 1)
       from streams s where s.stream is not null
     ), floor as (
       select position from outbox_floor()
     ), anchors as (
       -- The last before the first that is needed.
       select s.stream, (
         select max(b.number) from outbox_batches b where b.stream = s.stream and b.number < coalesce((
           select n.number from outbox_batches n
           where n.stream = s.stream and (upper(n.positions) - 1 > (select position from floor) or n.written_at >= $1)
           order by n.number limit 1), 9223372036854775807)
       ) as number
       from streams s where s.stream is not null
     )
     delete from outbox_batches o using (
       select b.stream, b.number from anchors a
       join outbox_batches b on b.stream = a.stream and b.number < a.number
       limit $2
     ) old
     where o.stream = old.stream and o.number = old.number`,
    [olderThan, most],
  );
  return rowCount ?? 0;
}

/** Remembers up to which batch every group of a stream has settled it. It goes back when a group comes that has yet to. */
export async function recordSettled(pool: Pool, settled: ReadonlyMap<string, number>): Promise<void> {
  await pool.query(
    `insert into outbox_settled as known (stream, number)
     select * from unnest($1::text[], $2::bigint[])
     on conflict (stream) do update set number = excluded.number`,
    [[...settled.keys()], [...settled.values()]],
  );
}

/** Up to which batch every group of a stream had settled it at the last look; 0 if that is not known. */
export async function loadSettled(pool: Pool, stream: string): Promise<number> {
  const { rows } = await pool.query<{ number: string }>(
    'select number::text from outbox_settled where stream = $1',
    [stream],
  );
  return Number(rows[0]?.number ?? 0);
}

/** Whether the outbox is led under this name. */
export async function isLedBy(pool: Pool, leader: string): Promise<boolean> {
  const { rowCount } = await pool.query('select from outbox_cursor where leader = $1', [leader]);
  return rowCount === 1;
}

/** The time of the outbox' database, so many milliseconds ago. */
export async function timeAgo(pool: Pool, ms: number): Promise<Date> {
  const { rows } = await pool.query<{ at: Date }>(
    'select clock_timestamp() - make_interval(secs => $1::float8 / 1000) as at',
    [ms],
  );
  return rows[0]?.at ?? new Date(Date.now() - ms);
}
