import type { Pool } from 'pg';

/** An event of the log, as those see it who account for it. */
export interface LoggedEvent {
  readonly position: number;
  readonly eventId: string;
  readonly topic: string;
  readonly slot: number;
  readonly eventType: string;
  /** As it stands in entries, which is how the inbox knows it. */
  readonly occurredAt: string;
  readonly insertedAt: Date;
  /** The same as in the view `outbox_status`. */
  readonly status: 'pending' | 'published' | 'parked';
}

/** Which events of the log. */
export interface LogWindow {
  /** Positions, both included. */
  readonly first: number;
  readonly last: number;
  readonly topics: readonly string[];
  /** Appended at this time or later. */
  readonly from?: Date | undefined;
  /** Appended before. */
  readonly to?: Date | undefined;
}

const columns = `
  e.position::text, e.event_id::text as "eventId", e.aggregate_type as topic, e.slot, e.event_type as "eventType",
  to_char(e.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "occurredAt",
  e.inserted_at as "insertedAt",
  case
    when exists (select from outbox_parked p where p.position = e.position) then 'parked'
    when e.position > c.position then 'pending'
    when exists (select from outbox_gaps g where e.position between g.first and g.last) then 'pending'
    else 'published'
  end as status`;

const inTime = `e.inserted_at >= coalesce($1::timestamptz, '-infinity') and e.inserted_at < coalesce($2::timestamptz, 'infinity')`;

/**
 * The first and the last position that the log holds of that time, or `null` if it holds nothing of it. What is below
 * the first of all was dropped, rolled back, or is not visible yet.
 */
export async function readLogBounds(
  pool: Pool,
  { from, to }: Pick<LogWindow, 'from' | 'to'> = {},
): Promise<{ readonly first: number; readonly last: number } | null> {
  const { rows } = await pool.query<{ first: string | null; last: string | null }>(
    `select
       (select position::text from outbox_events e where ${inTime} order by e.position limit 1) as first,
       (select position::text from outbox_events e where ${inTime} order by e.position desc limit 1) as last`,
    [from ?? null, to ?? null],
  );
  const [row] = rows;
  return row === undefined || row.first === null
    ? null
    : { first: Number(row.first), last: Number(row.last) };
}

/** The visible events of a window, in order: at most as many as it has positions. */
export async function readLogWindow(pool: Pool, window: LogWindow): Promise<LoggedEvent[]> {
  const { rows } = await pool.query<EventRow>({
    name: 'outbox_log_window',
    text: `select ${columns} from outbox_events e cross join outbox_cursor c
      where ${inTime} and e.position between $3 and $4 and e.aggregate_type = any($5) order by e.position`,
    values: [window.from ?? null, window.to ?? null, window.first, window.last, window.topics],
  });
  return rows.map(toEvent);
}

/** These events as they stand now; those that the log does not hold any more are left out. */
export async function readLoggedEvents(pool: Pool, positions: readonly number[]): Promise<LoggedEvent[]> {
  const { rows } = await pool.query<EventRow>(
    `select ${columns} from outbox_events e cross join outbox_cursor c where e.position = any($1::bigint[])
     order by e.position`,
    [positions],
  );
  return rows.map(toEvent);
}

type EventRow = Omit<LoggedEvent, 'position'> & { readonly position: string };

function toEvent(row: EventRow): LoggedEvent {
  return { ...row, position: Number(row.position) };
}
