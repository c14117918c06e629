import type { BusDatabase } from '@event-bus/database';
import { sql, type Transaction } from 'kysely';
import type { AggregatePosition } from '../positions.ts';
import { explained } from '../refusal.ts';

/**
 * Which of these events of a group that holds must wait behind a dead letter of their aggregate: one answer per
 * position, in order, the event ID of the first such letter or `null`. What failed in a replay holds nothing: it had been
 * handled before.
 * @throws UnrecordableEventError PostgreSQL cannot hold one of the values.
 */
export async function findBlockers(
  trx: Transaction<BusDatabase>,
  group: string,
  positions: readonly AggregatePosition[],
): Promise<(string | null)[]> {
  const found = sql<{ blocker: string | null }>`
    select (
      select d.event_id::text from dead_letters d
      where d.consumer_group = ${group} and d.aggregate_type = g.aggregate_type and d.aggregate_id = g.aggregate_id
        and d.replay_id = '' and d.state in ('dead', 'redriving') and d.position < g.position
      order by d.position limit 1
    ) as blocker
    from unnest(
      ${positions.map((entry) => entry.aggregateType)}::text[],
      ${positions.map((entry) => entry.aggregateId)}::text[],
      ${positions.map((entry) => String(entry.position))}::bigint[]
    ) with ordinality as g(aggregate_type, aggregate_id, position, n)
    order by g.n`.execute(trx);
  const { rows } = await explained(found, () =>
    positions.flatMap(({ aggregateType, aggregateId }) => [
      { field: 'aggregate_type', text: aggregateType },
      { field: 'aggregate_id', text: aggregateId },
    ]),
  );
  return rows.map(({ blocker }) => blocker);
}
