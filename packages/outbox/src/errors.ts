/** An append touched more aggregates in one call than it may lock. */
export class TooManyAggregatesError extends Error {
  override readonly name = 'TooManyAggregatesError';
  readonly code = 'too_many_aggregates';

  constructor(aggregates: number, allowed: number) {
    super(
      `append was given events of ${aggregates} aggregates, more than the ${allowed} it locks at a time: use appendBulk for imports, or split the call`,
    );
  }
}

/** This publisher was replaced by another: its epoch is over. */
export class DeposedError extends Error {
  override readonly name = 'DeposedError';
  readonly code = 'deposed';

  constructor(epoch: number) {
    super(`epoch ${epoch} is over: another publisher leads this outbox now`);
  }
}

/** The outbox must not be published as it is. */
export class OutboxInconsistentError extends Error {
  override readonly name = 'OutboxInconsistentError';
  readonly code = 'outbox_inconsistent';
}
