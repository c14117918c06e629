/** The inbox's tables cannot hold an event as it is: no retry can mend it. The message says which value, if PostgreSQL did. */
export class UnrecordableEventError extends Error {
  override readonly name = 'UnrecordableEventError';
  readonly code = 'unrecordable_event';

  constructor(value: GivenValue | undefined, options: { readonly cause: Error }) {
    const what = value === undefined ? 'the event' : `${value.field} ${abbreviate(value.text)}`;
    super(`${what} cannot be recorded in the inbox: ${options.cause.message}`, options);
  }
}

/** A value that a statement was given, under the name that it has in the stream entry. */
export interface GivenValue {
  readonly field: string;
  readonly text: string;
}

interface ServerError extends Error {
  readonly code: string;
  readonly constraint?: string;
}

/**
 * Passes a statement's result or error on. An error that is the fault of the values becomes an
 * {@link UnrecordableEventError}; with those of several events it is not known whose.
 */
export async function explained<Result>(
  statement: Promise<Result>,
  given: () => readonly GivenValue[],
): Promise<Result> {
  try {
    return await statement;
  } catch (error) {
    throw (isServerError(error) && explain(error, given())) || error;
  }
}

// Under PostgreSQL's limit of 2704 bytes for a row of an index by what the bus's own columns need at most.
const suspectBytes = 2_000;

function explain(error: ServerError, given: readonly GivenValue[]): UnrecordableEventError | undefined {
  const cause = error;
  switch (error.code.slice(0, 2)) {
    case '22': {
      const isCulprit = ({ text }: GivenValue) =>
        error.code === '22021' ? text.includes('\0') : text !== '' && error.message.includes(`"${text}"`);
      return new UnrecordableEventError(given.find(isCulprit), { cause });
    }
    case '23':
      // A row without a partition violates no constraint that has a name, and may be mended any time.
      return error.constraint === undefined ? undefined : new UnrecordableEventError(undefined, { cause });
    case '54': {
      // The same class tells of a server that accepts no more transactions, whatever the values.
      const [longest] = given.toSorted((a, b) => bytesOf(b) - bytesOf(a));
      const bytes = given.reduce((sum, value) => sum + bytesOf(value), 0);
      return bytes < suspectBytes ? undefined : new UnrecordableEventError(longest, { cause });
    }
    default:
      return undefined;
  }
}

function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && 'severity' in error;
}

function bytesOf({ text }: GivenValue): number {
  return Buffer.byteLength(text);
}

function abbreviate(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
