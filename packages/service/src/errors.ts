/** A component resolved although nobody had asked the process to stop. */
export class ComponentEndedError extends Error {
  override readonly name = 'ComponentEndedError';
  readonly code = 'component_ended';
  readonly component: string;

  constructor(component: string) {
    super(
      `The component "${component}" ended although it was not asked to. A component runs until it is drained.`,
    );
    this.component = component;
  }
}

/** The reason of the `drain` and `abort` signals: the process is stopping. */
export class StoppingError extends Error {
  override readonly name = 'StoppingError';
  readonly code = 'stopping';
  readonly reason: string;

  constructor(reason: string) {
    super(`The process is stopping: ${reason}.`);
    this.reason = reason;
  }
}

/** Something was asked and did not answer in time. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
  readonly code = 'no_answer';
  readonly timeoutMs: number;

  constructor(timeoutMs: number) {
    super(`There was no answer within ${timeoutMs} ms.`);
    this.timeoutMs = timeoutMs;
  }
}

/** The health server cannot use its port. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly code = 'listen_failed';
  readonly port: number;

  constructor(port: number, cause: Error) {
    super(
      `Cannot serve health and metrics on port ${port}: ${cause.message}. Set PORT to a free port, or to 0 for any.`,
      { cause },
    );
    this.port = port;
  }
}

/** Some of what a scope held could not be closed; the rest was. */
export class CloseError extends AggregateError {
  override readonly name = 'CloseError';
  readonly code = 'close_failed';

  constructor(errors: readonly unknown[]) {
    super(
      errors,
      `${errors.length} of the resources could not be closed: ${errors.map(reasonOf).join('; ')}`,
    );
  }
}

/** Why something failed, in one line for people. Node.js leaves the message of some connection errors empty. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(reasonOf).join('; ');
  return 'code' in error ? String(error.code) : error.name;
}
