import { settleOutcome } from '@event-bus/inbox';
import { DatabaseUnavailableError, ShutdownError } from '../errors.ts';
import { type HandlerOutcome, isOutcome } from '../outcome.ts';
import { type Begun, begin } from './begin.ts';
import { bindBookkeeping } from './bound-transaction.ts';
import { commit } from './commit.ts';
import { createGate, type Gate } from './gate.ts';
import type { Committed, Member } from './member.ts';
import { rollBack } from './roll-back.ts';
import { type HandlerEnd, runHandler } from './run-handler.ts';
import type { Session, Sessions } from './session.ts';
import type { TransactionMode } from './statement-rules.ts';
import { judgeBookkeeping, judgeCommit, judgeHandler, judgeSwallowed, type Verdict } from './verdict.ts';

/** What a transaction of one event came to. In all cases but `committed`, nothing of it was kept. */
export type EventEnd =
  | ({ readonly kind: 'committed' } & Committed)
  | { readonly kind: 'declined'; readonly outcome: Exclude<HandlerOutcome, { kind: 'skip' }> }
  /** A dead letter of its aggregate comes before it. */
  | { readonly kind: 'held'; readonly behind: string }
  | Verdict;

/** What a transaction needs besides its events. */
export interface TransactionParts {
  readonly sessions: Sessions;
  readonly group: string;
  /** Which statements are refused. */
  readonly mode: TransactionMode;
  readonly signal: AbortSignal;
  /** Called when COMMIT is sent: what it begins at once may follow on the same connection. Must not throw. */
  readonly committing: () => void;
}

/**
 * Handles one event in a transaction of its own:
 * BEGIN and inbox row -> handler -> lease check and COMMIT. A duplicate is not handled. Never rejects.
 */
export async function runEventTransaction(member: Member, parts: TransactionParts): Promise<EventEnd> {
  const { sessions, group, mode, signal, committing } = parts;
  let session: Session;
  try {
    session = await sessions.open(signal);
  } catch (error) {
    return judgeBookkeeping(error);
  }
  const gate = createGate(session, mode);
  const giveUp = async (verdict: EventEnd): Promise<EventEnd> => {
    await rollBack(session, [gate]);
    return verdict;
  };

  let begun: Begun;
  try {
    begun = await begin(session, group, [member], signal);
  } catch (error) {
    // Nothing of a handler is running: what is, is to end now.
    if (error instanceof ShutdownError || error instanceof DatabaseUnavailableError) {
      await session.cancel();
    }
    return giveUp(judgeBookkeeping(error));
  }
  const [recorded] = begun.recorded;
  if (recorded?.isFresh !== true) return giveUp({ kind: 'committed', how: 'duplicate' });
  const behind = begun.blockers.get(0);
  if (behind !== undefined) return giveUp({ kind: 'held', behind });

  const end = await runHandler((handlerSignal) => member.handle(gate.trx, handlerSignal), {
    gate,
    timeoutMs: member.timeoutMs,
    abort: signal,
  });
  if (end.kind !== 'returned') return afterFailure(end, gate, session, signal);
  const outcome = isOutcome(end.result) ? end.result : undefined;
  if (outcome !== undefined && outcome.kind !== 'skip') return giveUp({ kind: 'declined', outcome });

  const skipped =
    outcome &&
    settleOutcome(bindBookkeeping(session), member.row, { outcome: 'skipped', reason: outcome.reason });
  // If it fails, COMMIT says so.
  skipped?.catch(() => undefined);
  try {
    const ended = await commit(session, group, member.lease ? [member.lease] : [], committing);
    session.release();
    if (ended === 'rolled-back') return judgeSwallowed(gate, session);
  } catch (error) {
    session.release();
    return judgeCommit(error);
  }
  const { invertedAfter } = recorded;
  return {
    kind: 'committed',
    how: outcome === undefined ? 'done' : 'skipped',
    ...(invertedAfter !== undefined && { invertedAfter }),
  };
}

async function afterFailure(
  end: Exclude<HandlerEnd, { kind: 'returned' }>,
  gate: Gate,
  session: Session,
  signal: AbortSignal,
): Promise<EventEnd> {
  const answered = await rollBack(session, [gate]);
  switch (end.kind) {
    case 'aborted':
      return judgeBookkeeping(new ShutdownError({ cause: signal.reason }));
    case 'threw':
      return judgeHandler(end.error, gate, session);
    case 'timed-out':
      // A server that doesn't even cancel what is running is why the time was up.
      return answered
        ? { kind: 'failed', reason: 'timeout', error: end.error }
        : judgeBookkeeping(new DatabaseUnavailableError('a statement of the handler', { cause: end.error }));
  }
}
