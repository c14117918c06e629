import type { AggregateName, LogRow, ParkedAggregate, ParkedEvent } from '@event-bus/outbox/log';

/** Which aggregates are held back, and by which event that cannot be written. */
export class Parking {
  readonly #blockers = new Map<string, string>();

  constructor(aggregates: readonly ParkedAggregate[]) {
    this.hold(aggregates);
  }

  /** From now on these aggregates wait. */
  hold(aggregates: readonly ParkedAggregate[]): void {
    for (const aggregate of aggregates) this.#blockers.set(keyOf(aggregate), aggregate.blocker);
  }

  /** From now on nothing waits that belongs to these aggregates. */
  release(aggregates: readonly AggregateName[]): void {
    for (const aggregate of aggregates) this.#blockers.delete(keyOf(aggregate));
  }

  /** The record of a row that must wait behind a parked event of its aggregate; `undefined` if none is parked. */
  behind(row: LogRow): ParkedEvent | undefined {
    const blocker = this.#blockers.get(keyOf(row));
    return blocker === undefined ? undefined : record(row, `waits behind ${blocker}`, blocker);
  }

  /** Parks a row that cannot be written. From now on its aggregate waits. */
  park(row: LogRow, reason: string): ParkedEvent {
    this.#blockers.set(keyOf(row), row.eventId);
    return record(row, reason, null);
  }
}

function keyOf({ aggregateType, aggregateId }: AggregateName): string {
  return `${aggregateType}:${aggregateId}`;
}

function record(row: LogRow, reason: string, behind: string | null): ParkedEvent {
  const { position, eventId, aggregateType, aggregateId } = row;
  return { position, eventId, aggregateType, aggregateId, reason, behind };
}
