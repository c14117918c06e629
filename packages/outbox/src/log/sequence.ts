import type { Pool } from 'pg';
import { OutboxInconsistentError } from '../errors.ts';
import { newestOf } from './batches.ts';

/** How far below the cursor to look for positions that were drawn again. */
const window = 10_000;

/**
 * Checks that new events get positions above the cursor.
 * @throws OutboxInconsistentError the sequence is behind it.
 */
export async function assertSequenceIsAhead(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ position: string; last_value: string }>(
    'select c.position::text, s.last_value::text from outbox_cursor c, outbox_position s',
  );
  const [found] = rows;
  if (found === undefined || Number(found.last_value) >= Number(found.position)) return;
  throw new OutboxInconsistentError(
    `the sequence outbox_position stands at ${found.last_value}, behind the published position ${found.position}: new events would be skipped. Set it with select setval('outbox_position', ${found.position})`,
  );
}

/**
 * Checks that no position up to the cursor was drawn a second time: the sequence was set back, and has passed the cursor
 * again. The events that got those positions would never be read, and called published.
 *
 * No clock has a say in it: two rows share a position, or where a recorded batch ended there stands another event. It
 * finds nothing only if each of those events got a position whose first owner had rolled back.
 * @throws OutboxInconsistentError some were.
 */
export async function assertPositionsAreUnique(pool: Pool, cursor: number): Promise<void> {
  const found = (await findSharedPosition(pool, cursor)) ?? (await findReplacedEvent(pool));
  if (found === undefined) return;
  throw new OutboxInconsistentError(
    `position ${found.position} was drawn twice: the sequence outbox_position was set back and has passed the published position ${cursor} again, and the events appended meanwhile would be skipped. Give them new positions with select outbox_append_again('${found.since}')`,
  );
}

/** A position that was drawn twice, and a time between the two. */
interface DrawnTwice {
  readonly position: string;
  readonly since: string;
}

async function findSharedPosition(pool: Pool, cursor: number): Promise<DrawnTwice | undefined> {
  const { rows } = await pool.query<DrawnTwice>(
    `select e.position::text, min(e.inserted_at)::text as since from outbox_events e
     where e.position > $1 and e.position <= $2
     group by e.position having count(*) > 1 order by e.position desc limit 1`,
    [cursor - window, cursor],
  );
  return rows[0];
}

/** Also when the partition with the former event was dropped. */
async function findReplacedEvent(pool: Pool): Promise<DrawnTwice | undefined> {
  const { rows } = await pool.query<DrawnTwice>(
    `select n.position::text, n.written_at::text as since
     from (${newestOf('upper(positions) - 1 as position, last_event_id, written_at')}) n
     where exists (
       select from outbox_events e where e.position = n.position and e.event_id <> n.last_event_id
     )
     order by n.written_at desc limit 1`,
  );
  return rows[0];
}
