import type { Pool } from 'pg';

/** Which aggregate. */
export interface AggregateName {
  readonly aggregateType: string;
  readonly aggregateId: string;
}

/** The event of an aggregate that the aggregate's later ones wait for. */
export interface ParkedAggregate extends AggregateName {
  readonly blocker: string;
}

/** All aggregates that are held back by a parked event, with the first of each. */
export async function loadParkedAggregates(pool: Pool): Promise<ParkedAggregate[]> {
  const { rows } = await pool.query<ParkedAggregate>(
    `select distinct on (aggregate_type, aggregate_id)
       aggregate_type as "aggregateType", aggregate_id as "aggregateId", event_id::text as blocker
     from outbox_parked order by aggregate_type, aggregate_id, position`,
  );
  return rows;
}

/** Those of the given aggregates that are held back, with the first parked event of each. */
export async function findParkedAggregates(
  pool: Pool,
  among: readonly AggregateName[],
): Promise<ParkedAggregate[]> {
  const { rows } = await pool.query<ParkedAggregate>({
    name: 'outbox_parked_aggregates',
    text: `select a.type as "aggregateType", a.id as "aggregateId", p.event_id::text as blocker
      from (select distinct type, id from unnest($1::text[], $2::text[]) u(type, id)) a
      cross join lateral (
        select event_id from outbox_parked where aggregate_type = a.type and aggregate_id = a.id
        order by position limit 1
      ) p`,
    values: [among.map(({ aggregateType }) => aggregateType), among.map(({ aggregateId }) => aggregateId)],
  });
  return rows;
}

/** A parked event that someone asked to be tried again. */
export interface RequestedRetry extends AggregateName {
  readonly position: number;
  readonly eventId: string;
}

/** What the row `p` of outbox_parked is if it is to be tried again: asked for, and behind nothing that is not. */
export const isToBeTried = `p.retry_requested_at is not null and not exists (
  select from outbox_parked earlier
  where earlier.aggregate_type = p.aggregate_type and earlier.aggregate_id = p.aggregate_id
    and earlier.position < p.position and earlier.retry_requested_at is null)`;

/**
 * Parked events that someone asked to be tried again, in order, at most `limit`. Those that wait behind one that nobody
 * asked for, or that failed again, are left out.
 */
export async function requestedRetries(pool: Pool, limit: number): Promise<RequestedRetry[]> {
  const { rows } = await pool.query<{
    position: string;
    event_id: string;
    aggregate_type: string;
    aggregate_id: string;
  }>({
    name: 'outbox_retries',
    text: `select p.position::text, p.event_id::text, p.aggregate_type, p.aggregate_id
      from outbox_parked p where ${isToBeTried} order by p.position limit $1`,
    values: [limit],
  });
  return rows.map((row) => ({
    position: Number(row.position),
    eventId: row.event_id,
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
  }));
}
