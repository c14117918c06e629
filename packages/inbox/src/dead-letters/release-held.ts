import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';

/**
 * Lets go what a group held behind dead letters that are open no longer: they are to be handled again, in the order of
 * their events. Returns how many.
 */
export async function releaseHeld(db: Kysely<BusDatabase>, group: string): Promise<number> {
  const { numAffectedRows } = await sql`
    update dead_letters held set state = 'redriving', redrives = redrives + 1, redriven_at = clock_timestamp()
    where held.consumer_group = ${group} and held.state = 'dead' and held.kind = 'held'
      and not exists (
        select from dead_letters blocker
        where blocker.consumer_group = held.consumer_group and blocker.aggregate_type = held.aggregate_type
          and blocker.aggregate_id = held.aggregate_id and blocker.position < held.position
          and blocker.state in ('dead', 'redriving') and blocker.kind <> 'held')`.execute(db);
  return Number(numAffectedRows ?? 0n);
}
