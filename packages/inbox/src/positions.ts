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

/** An event of a group that may have a position. */
interface Placed {
  readonly group: string;
  readonly position?: AggregatePosition;
}

/** SQL that stores the positions that `given` selects, where they are higher; `previous` is what stood there before. */
export function storePositions(given: string): string {
  return `
  insert into inbox_positions as p (consumer_group, source, aggregate_type, aggregate_id, position)
  ${given}
  on conflict (consumer_group, aggregate_type, aggregate_id, source) do update
    set previous = p.position, position = greatest(p.position, excluded.position)`;
}

// Kept as text: putting it together for every transaction would take longer than sending it. Where the transaction is not begun
// for handling, what goes with it fails, and this must not be left.
const storeMany = `
  ${storePositions(`
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
    where current_setting('transaction_deferrable') = 'on'`)}
  returning consumer_group, source, aggregate_type, aggregate_id, previous`;

interface Stored {
  readonly consumer_group: string;
  readonly source: string;
  readonly aggregate_type: string;
  readonly aggregate_id: string;
  readonly previous: string | null;
}

/**
 * Remembers, per group and aggregate, the highest position of these events, taken in the order given. Tells, by index, of
 * those that stand below one that was there before them, the position of that one. Duplicates are told like the others.
 * @throws UnrecordableEventError the inbox cannot hold one of them.
 */
export async function recordPositions(
  trx: Transaction<BusDatabase>,
  events: readonly Placed[],
): Promise<Map<number, bigint>> {
  const highest = new Map<string, AggregatePosition & { readonly group: string }>();
  for (const { group, position: place } of events) {
    if (place === undefined) continue;
    const key = keyOf(group, place);
    const known = highest.get(key);
    if (known === undefined || known.position < place.position) highest.set(key, { group, ...place });
  }
  const reached = await exchange(trx, highest);
  const inversions = new Map<number, bigint>();
  for (const [index, { group, position: place }] of events.entries()) {
    if (place === undefined) continue;
    const after = reached.get(keyOf(group, place));
    if (after !== undefined && after > place.position) inversions.set(index, after);
    else reached.set(keyOf(group, place), place.position);
  }
  return inversions;
}

/** Stores the higher position of each, and returns those that stood there before. */
async function exchange(
  trx: Transaction<BusDatabase>,
  places: ReadonlyMap<string, AggregatePosition & { readonly group: string }>,
): Promise<Map<string, bigint>> {
  if (places.size === 0) return new Map();
  // In one order for all, so that transactions that share aggregates wait for each other instead of deadlocking.
  const rows = [...places].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, place]) => place);
  const given = [
    rows.map(({ group }) => group),
    rows.map(({ source }) => source),
    rows.map(({ aggregateType }) => aggregateType),
    rows.map(({ aggregateId }) => aggregateId),
    rows.map(({ position }) => String(position)),
  ];
  const query = CompiledQuery.raw(storeMany, given) as CompiledQuery<Stored>;
  const stored = await explained(trx.executeQuery(query), () => rows.flatMap(placeValuesOf));
  const before = new Map<string, bigint>();
  for (const row of stored.rows) {
    const { consumer_group: group, source, aggregate_type: aggregateType, aggregate_id: aggregateId } = row;
    if (row.previous !== null)
      before.set(keyOf(group, { source, aggregateType, aggregateId }), BigInt(row.previous));
  }
  return before;
}

/** What of it a statement may be refused for. */
export function placeValuesOf({ source, aggregateType, aggregateId }: AggregatePosition): GivenValue[] {
  return [
    { field: 'source', text: source },
    { field: 'aggregate_type', text: aggregateType },
    { field: 'aggregate_id', text: aggregateId },
  ];
}

function keyOf(
  group: string,
  { aggregateType, aggregateId, source }: Omit<AggregatePosition, 'position'>,
): string {
  return JSON.stringify([group, aggregateType, aggregateId, source]);
}
