import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';

/** How many letters of a group were let go. */
export interface ReleasedLetters {
  readonly group: string;
  readonly letters: number;
}

/**
 * Lets go what groups held behind dead letters that are open no longer: they are to be handled again, in the order of
 * their events.
 */
export async function releaseHeld(db: Kysely<BusDatabase>): Promise<ReleasedLetters[]> {
  const { rows } = await sql<ReleasedLetters>`
    with held as materialized (
      select consumer_group, event_id, replay_id, aggregate_type, aggregate_id, position
      from dead_letters where state in ('dead', 'redriving') and state = 'dead' and kind = 'held'
    ), blocked as (
      select consumer_group, aggregate_type, aggregate_id, min(position) as position
      from dead_letters
      where state in ('dead', 'redriving') and kind <> 'held' and replay_id = ''
        and (consumer_group, aggregate_type, aggregate_id) in (
          select consumer_group, aggregate_type, aggregate_id from held)
      group by consumer_group, aggregate_type, aggregate_id
    ), free as (
      select h.consumer_group, h.event_id, h.replay_id
      from held h left join blocked b using (consumer_group, aggregate_type, aggregate_id)
      where (b.position < h.position) is not true
    ), released as (
      update dead_letters d
      set state = 'redriving', redrives = redrives + 1, redriven_at = clock_timestamp(), inject_id = null
      from free f
      where d.consumer_group = f.consumer_group and d.event_id = f.event_id and d.replay_id = f.replay_id
        and d.state = 'dead' and d.kind = 'held'
      returning d.consumer_group
    )
    select consumer_group as "group", count(*)::int as letters from released group by consumer_group`.execute(
    db,
  );
  return rows;
}
