/** A stream changed between a look at it and the write that relied on it: look again. */
export class StreamChangedError extends Error {
  override readonly name = 'StreamChangedError';
  readonly code = 'stream_changed';
}

/** The session that holds the lead has ended: another publisher may lead. */
export class LeadLostError extends Error {
  override readonly name = 'LeadLostError';
  readonly code = 'lead_lost';

  constructor(cause: unknown) {
    super(`the lead was lost: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** A reconcile was given up before every stream was whole. What it had written stays. */
export class ReconcileInterruptedError extends Error {
  override readonly name = 'ReconcileInterruptedError';
  readonly code = 'reconcile_interrupted';

  constructor(obstacle: Error | undefined) {
    super(
      `the time was up before all streams were whole${obstacle === undefined ? '' : `; last obstacle: ${obstacle.message}`}. Run it again: it goes on from there`,
      { cause: obstacle },
    );
  }
}
