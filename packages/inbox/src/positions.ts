import type { BusDatabase } from '@event-bus/database';
import { sql, type Transaction } from 'kysely';
import { explained, type GivenValue } from './refusal.ts';

/** Where an event stands in its aggregate's order. */
export interface AggregatePosition {
  readonly source: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly position: bigint;
}

/** An event that came after a later one of its aggregate. If it is no duplicate, order was broken. */
export interface Inversion {
  /** Its index in what was passed. */
  readonly index: number;
  /** The highest position before it. */
  readonly after: bigint;
}

/**
 * Remembers, per aggregate, the highest position an ordered group has handled, and tells which of these events,
 * taken in the order given, stand below one that was there before them. Positions never go down. Duplicates are
 * told like the others: whoever calls knows them.
 * @throws UnrecordableEventError the inbox cannot hold one of them.
 */
export async function recordPositions(
  trx: Transaction<BusDatabase>,
  group: string,
  positions: readonly AggregatePosition[],
): Promise<Inversion[]> {
  if (positions.length === 0) return [];
  const highest = new Map<string, AggregatePosition>();
  for (const entry of positions) {
    const known = highest.get(keyOf(entry));
    if (known === undefined || known.position < entry.position) highest.set(keyOf(entry), entry);
  }
  const rows = [...highest].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  const before = await explained(exchange(trx, group, rows), () => rows.flatMap(valuesOf));
  return positions.flatMap((entry, index) => {
    const after = before.get(keyOf(entry));
    if (after !== undefined && after > entry.position) return [{ index, after }];
    before.set(keyOf(entry), entry.position);
    return [];
  });
}

/** Stores the higher position of each row, and returns those that stood there before. */
async function exchange(
  trx: Transaction<BusDatabase>,
  group: string,
  rows: readonly AggregatePosition[],
): Promise<Map<string, bigint>> {
  const result = await sql<{
    source: string;
    aggregate_type: string;
    aggregate_id: string;
    previous: string | null;
  }>`
    insert into inbox_positions as p (consumer_group, source, aggregate_type, aggregate_id, position)
    select ${group}, * from unnest(
      ${rows.map((row) => row.source)}::text[],
      ${rows.map((row) => row.aggregateType)}::text[],
      ${rows.map((row) => row.aggregateId)}::text[],
      ${rows.map((row) => String(row.position))}::bigint[]
    )
    on conflict (consumer_group, aggregate_type, aggregate_id, source) do update
      set previous = p.position, position = greatest(p.position, excluded.position)
    returning source, aggregate_type, aggregate_id, previous
  `.execute(trx);
  return new Map(
    result.rows.flatMap(({ source, aggregate_type, aggregate_id, previous }) =>
      previous === null
        ? []
        : [[keyOf({ source, aggregateType: aggregate_type, aggregateId: aggregate_id }), BigInt(previous)]],
    ),
  );
}

function valuesOf({ source, aggregateType, aggregateId }: AggregatePosition): GivenValue[] {
  return [
    { field: 'source', text: source },
    { field: 'aggregate_type', text: aggregateType },
    { field: 'aggregate_id', text: aggregateId },
  ];
}

function keyOf(row: Omit<AggregatePosition, 'position'>): string {
  return JSON.stringify([row.aggregateType, row.aggregateId, row.source]);
}
