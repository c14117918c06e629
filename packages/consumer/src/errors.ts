/** A consumer is declared wrongly: a fault of the program, found when it starts. `issues` names every fault. */
export class ConsumerDefinitionError extends Error {
  override readonly name = 'ConsumerDefinitionError';
  readonly code = 'consumer_definition';
  readonly group: string;
  readonly issues: readonly string[];

  constructor(group: string, issues: readonly string[]) {
    super(`consumer ${JSON.stringify(group)}: ${issues.join('; ')}`);
    this.group = group;
    this.issues = issues;
  }
}

/** A handler did not end in time. Its transaction was rolled back. */
export class HandlerTimeoutError extends Error {
  override readonly name = 'HandlerTimeoutError';
  readonly code = 'handler_timeout';
  readonly timeoutMs: number;

  constructor(timeoutMs: number) {
    super(
      `the handler did not end within ${timeoutMs} ms and was rolled back: let it heed \`signal\`, or raise its \`timeout\``,
    );
    this.timeoutMs = timeoutMs;
  }
}

/** A handler asked for its event to be dead-lettered; the message is its reason. */
export class DeadLetterRequestedError extends Error {
  override readonly name = 'DeadLetterRequestedError';
  readonly code = 'dead_letter_requested';
}

/** An earlier event of the aggregate is dead, and the group holds the later ones until that one is redriven or discarded. */
export class HeldBehindDeadLetterError extends Error {
  override readonly name = 'HeldBehindDeadLetterError';
  readonly code = 'held_behind_dead_letter';
  readonly behind: string;

  constructor(behind: string) {
    super(`waits behind the dead letter ${behind} of its aggregate`);
    this.behind = behind;
  }
}

/** A handler asked to be called again later; the message is its reason. */
export class RetryRequestedError extends Error {
  override readonly name = 'RetryRequestedError';
  readonly code = 'retry_requested';
}

/** The runner stops before this event was handled; nothing of it was kept. */
export class ShutdownError extends Error {
  override readonly name = 'ShutdownError';
  readonly code = 'shutdown';

  constructor(options?: ErrorOptions) {
    super('the runner stopped before the event was handled; it will be handled again', options);
  }
}

/** The right to handle the stream has passed to another runner, which handles the event instead. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
  readonly code = 'lease_lost';
  readonly stream: string;

  constructor(stream: string, options?: ErrorOptions) {
    super(`the lease of ${stream} has passed to another runner: nothing of this handling was kept`, options);
    this.stream = stream;
  }
}

/** The database was not there, or went away: nobody's fault but its own. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
  readonly code = 'database_unavailable';

  constructor(doing: string, options: { readonly cause: unknown }) {
    const { cause } = options;
    super(`${doing} failed: ${cause instanceof Error ? cause.message : String(cause)}`, options);
  }
}

/** The reply to COMMIT was lost: it was committed or it was not. The inbox tells when the event comes again. */
export class CommitUnknownError extends Error {
  override readonly name = 'CommitUnknownError';
  readonly code = 'commit_unknown';

  constructor(options: { readonly cause: unknown }) {
    const { cause } = options;
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`whether the transaction was committed is not known, its reply was lost: ${reason}`, options);
  }
}

/** COMMIT rolled back, because a statement had failed and the handler went on as if it had not. */
export class TransactionAbortedError extends Error {
  override readonly name = 'TransactionAbortedError';
  readonly code = 'transaction_aborted';

  constructor(options: { readonly cause: unknown }) {
    const { cause } = options;
    const first = cause instanceof Error ? `: ${cause.message}` : '';
    super(
      `a statement of the handler failed${first}; its error was swallowed or not awaited, and PostgreSQL keeps nothing of such a transaction: await every statement and let its error through`,
      options,
    );
  }
}

/** A statement that a handler may not run on its transaction. It was not sent. */
export class StatementRefusedError extends Error {
  override readonly name = 'StatementRefusedError';
  readonly code = 'statement_refused';
  /** The command or function, such as `SAVEPOINT`. */
  readonly statement: string;

  constructor(statement: string, reason: string) {
    super(`${statement} is refused in a handler: ${reason}`);
    this.statement = statement;
  }
}

/** A statement came when its transaction was over. It was not sent. */
export class TransactionEndedError extends Error {
  override readonly name = 'TransactionEndedError';
  readonly code = 'transaction_ended';

  constructor(why: string) {
    super(`the statement came too late: ${why}`);
  }
}
