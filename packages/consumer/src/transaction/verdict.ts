import { UnrecordableEventError } from '@event-bus/inbox';
import {
  CommitUnknownError,
  DatabaseUnavailableError,
  LeaseLostError,
  ShutdownError,
  TransactionAbortedError,
} from '../errors.ts';
import type { Gate } from './gate.ts';
import type { Interruption } from './member.ts';
import type { Session } from './session.ts';
import { isConflict, isUnavailable, sqlState } from './sql-state.ts';

/**
 * Why a transaction was not committed. `conflict`: it lost against a concurrent one and may be run again at once.
 * `unrecordable`: the inbox cannot hold the event.
 */
export type Verdict =
  | Interruption
  | { readonly kind: 'conflict'; readonly error: unknown }
  | { readonly kind: 'unrecordable'; readonly error: UnrecordableEventError }
  | { readonly kind: 'failed'; readonly reason: 'error' | 'timeout'; readonly error: unknown };

/** Judges an error of the bus's own statements: the event's fault only if it has a value that does not fit. */
export function judgeBookkeeping(error: unknown): Verdict {
  if (error instanceof ShutdownError) return { kind: 'interrupted', cause: 'shutdown', error };
  if (error instanceof LeaseLostError) return { kind: 'interrupted', cause: 'fenced', error };
  if (isConflict(error)) return { kind: 'conflict', error };
  if (error instanceof UnrecordableEventError) return { kind: 'unrecordable', error };
  const known = error instanceof DatabaseUnavailableError || error instanceof CommitUnknownError;
  return {
    kind: 'interrupted',
    cause: 'database',
    error: known ? error : new DatabaseUnavailableError('recording events in the inbox', { cause: error }),
  };
}

/** Judges an error of COMMIT: what the handler deferred until then is its own. */
export function judgeCommit(error: unknown): Verdict {
  const handlers = sqlState(error) !== undefined && !isConflict(error) && !isUnavailable(error);
  return handlers ? { kind: 'failed', reason: 'error', error } : judgeBookkeeping(error);
}

/** Judges what a handler threw: its own fault, unless its statements had met a broken connection or a conflict. */
export function judgeHandler(error: unknown, gate: Gate, session: Session): Verdict {
  const unavailable = gate.failures.find(
    (failure) => isUnavailable(failure) || (session.isLost() && sqlState(failure) === undefined),
  );
  if (unavailable !== undefined) {
    return {
      kind: 'interrupted',
      cause: 'database',
      error: new DatabaseUnavailableError('a statement of the handler', { cause: unavailable }),
    };
  }
  const conflict = gate.failures.find((failure) => isConflict(failure) && isCauseOf(failure, error));
  return conflict === undefined
    ? { kind: 'failed', reason: 'error', error }
    : { kind: 'conflict', error: conflict };
}

/** Judges a COMMIT that rolled back without an error. */
export function judgeSwallowed(gate: Gate, session: Session): Verdict {
  const cause = gate.failures[0];
  const error = new TransactionAbortedError({ cause });
  return cause === undefined ? { kind: 'failed', reason: 'error', error } : judgeSwallowedFailure();

  function judgeSwallowedFailure(): Verdict {
    const verdict = judgeHandler(cause, gate, session);
    return verdict.kind === 'failed' ? { ...verdict, error } : verdict;
  }
}

function isCauseOf(failure: unknown, error: unknown): boolean {
  for (let current = error, depth = 0; depth < 10; depth += 1) {
    if (current === failure) return true;
    if (!(current instanceof Error)) return false;
    current = current.cause;
  }
  return false;
}
