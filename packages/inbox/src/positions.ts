import type { BusDatabase } from '@event-bus/database';
import { CompiledQuery, type Transaction } from 'kysely';
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

// Kept as text: putting them together for every event would take longer than sending them.
const store = (given: string) => `
  insert into inbox_positions as p (consumer_group, source, aggregate_type, aggregate_id, position)
  ${given}
  on conflict (consumer_group, aggregate_type, aggregate_id, source) do update
    set previous = p.position, position = greatest(p.position, excluded.position)
  returning source, aggregate_type, aggregate_id, previous`;
const storeOne = store('values ($1, $2, $3, $4, $5)');
const storeMany = store('select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::bigint[])');

interface Stored {
  readonly source: string;
  readonly aggregate_type: string;
  readonly aggregate_id: string;
  readonly previous: string | null;
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
  const [only] = positions;
  if (only === undefined) return [];
  if (positions.length === 1) {
    const { source, aggregateType, aggregateId, position } = only;
    const given = [group, source, aggregateType, aggregateId, String(position)];
    const [{ previous } = { previous: null }] = await exchange(trx, storeOne, given, positions);
    return previous !== null && BigInt(previous) > position ? [{ index: 0, after: BigInt(previous) }] : [];
  }
  const highest = new Map<string, AggregatePosition>();
  for (const entry of positions) {
    const known = highest.get(keyOf(entry));
    if (known === undefined || known.position < entry.position) highest.set(keyOf(entry), entry);
  }
  const rows = [...highest].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  const given = [
    group,
    rows.map(({ source }) => source),
    rows.map(({ aggregateType }) => aggregateType),
    rows.map(({ aggregateId }) => aggregateId),
    rows.map(({ position }) => String(position)),
  ];
  const before = new Map<string, bigint>();
  for (const stored of await exchange(trx, storeMany, given, rows)) {
    const { source, aggregate_type: aggregateType, aggregate_id: aggregateId, previous } = stored;
    if (previous !== null) before.set(keyOf({ source, aggregateType, aggregateId }), BigInt(previous));
  }
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
  statement: string,
  parameters: readonly unknown[],
  rows: readonly AggregatePosition[],
): Promise<readonly Stored[]> {
  const query = CompiledQuery.raw(statement, [...parameters]) as CompiledQuery<Stored>;
  const stored = await explained(trx.executeQuery(query), () => rows.flatMap(valuesOf));
  return stored.rows;
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
