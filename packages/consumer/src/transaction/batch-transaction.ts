import { type Recorded, settleOutcome } from '@event-bus/inbox';
import { DatabaseUnavailableError, ShutdownError } from '../errors.ts';
import { type HandlerOutcome, isOutcome } from '../outcome.ts';
import { type Begun, begin } from './begin.ts';
import { bindBookkeeping } from './bound-transaction.ts';
import { commit } from './commit.ts';
import type { TransactionParts } from './event-transaction.ts';
import { createGate, type Gate } from './gate.ts';
import type { Committed, Interruption, Member } from './member.ts';
import { rollBack } from './roll-back.ts';
import { type HandlerEnd, runHandler } from './run-handler.ts';
import type { Session } from './session.ts';
import { judgeBookkeeping, judgeCommit, judgeHandler, judgeSwallowed, type Verdict } from './verdict.ts';

/**
 * What a transaction of several events came to. `isolate`: one of them stood in the way of the others, nothing of
 * any was kept, and each is to be handled by itself; no attempt counts.
 */
export type BatchEnd =
  | { readonly kind: 'committed'; readonly members: readonly Committed[] }
  | { readonly kind: 'isolate'; readonly error: unknown; readonly refusal?: Refusal }
  | Interruption;

/** An event that stood in the way of the others though nothing failed: what its handler answered, or that a dead letter holds it. */
export interface Refusal {
  readonly eventId: string;
  readonly outcome: 'held' | HandlerOutcome['kind'];
}

/**
 * Handles several events in one transaction: BEGIN and all inbox rows -> the handlers, those of different
 * aggregates side by side on the one connection, those of one aggregate in order -> lease check and COMMIT.
 * Everything that is not done or skipped ends the whole. Never rejects.
 */
export async function runBatchTransaction(
  members: readonly Member[],
  parts: TransactionParts,
): Promise<BatchEnd> {
  const { sessions, group, signal, committing } = parts;
  let session: Session;
  try {
    session = await sessions.open(signal);
  } catch (error) {
    return toBatchEnd(judgeBookkeeping(error));
  }
  let begun: Begun;
  try {
    begun = await begin(session, group, members, signal);
  } catch (error) {
    if (error instanceof ShutdownError || error instanceof DatabaseUnavailableError) await session.cancel();
    await rollBack(session, []);
    return toBatchEnd(judgeBookkeeping(error));
  }

  const held = members.find(
    (_, index) => begun.recorded[index]?.isFresh === true && begun.blockers.has(index),
  );
  if (held !== undefined) {
    await rollBack(session, []);
    return { kind: 'isolate', error: undefined, refusal: { eventId: held.row.eventId, outcome: 'held' } };
  }
  const run = await runMembers(members, begun.recorded, session, parts);
  if (run.stopped !== undefined) {
    const answered = await rollBack(session, run.gates);
    if (signal.aborted) return toBatchEnd(judgeBookkeeping(new ShutdownError({ cause: signal.reason })));
    const { end, gate, refusal } = run.stopped;
    if (!answered) {
      return toBatchEnd(
        judgeBookkeeping(new DatabaseUnavailableError('a statement of a handler', { cause: undefined })),
      );
    }
    if (end.kind === 'threw') return toBatchEnd(judgeHandler(end.error, gate, session));
    const error = end.kind === 'timed-out' ? end.error : undefined;
    return { kind: 'isolate', error, ...(refusal && { refusal }) };
  }

  try {
    const fresh = members.filter((_, index) => begun.recorded[index]?.isFresh === true);
    const leases = fresh.flatMap(({ lease }) => (lease === undefined ? [] : [lease]));
    const ended = await commit(session, group, leases, committing);
    session.release();
    if (ended === 'rolled-back') {
      const failed = run.gates.find((gate) => gate.failures.length > 0);
      return failed ? toBatchEnd(judgeSwallowed(failed, session)) : { kind: 'isolate', error: undefined };
    }
  } catch (error) {
    session.release();
    return toBatchEnd(judgeCommit(error));
  }
  return {
    kind: 'committed',
    members: begun.recorded.map(({ isFresh, invertedAfter }, index) => {
      const how = isFresh ? (run.skipped.has(index) ? 'skipped' : 'done') : 'duplicate';
      return { how, ...(invertedAfter !== undefined && { invertedAfter }) };
    }),
  };
}

interface MembersRun {
  readonly gates: readonly Gate[];
  readonly skipped: ReadonlySet<number>;
  /** The first that stood in the way of the others. */
  readonly stopped?: { readonly end: HandlerEnd; readonly gate: Gate; readonly refusal?: Refusal };
}

async function runMembers(
  members: readonly Member[],
  recorded: readonly Recorded[],
  session: Session,
  { mode, signal }: TransactionParts,
): Promise<MembersRun> {
  const gates: Gate[] = [];
  const skipped = new Set<number>();
  const bookkeeping = bindBookkeeping(session);
  const stop = new AbortController();
  const stopAll = () => stop.abort(signal.reason);
  let stopped: MembersRun['stopped'];
  signal.addEventListener('abort', stopAll, { once: true });
  if (signal.aborted) stopAll();

  async function runLane(lane: readonly (readonly [number, Member])[]): Promise<void> {
    for (const [index, member] of lane) {
      const gate = createGate(session, mode);
      gates.push(gate);
      if (stop.signal.aborted) {
        stopped ??= { end: { kind: 'aborted' }, gate };
        return;
      }
      const end = await runHandler((handlerSignal) => member.handle(gate.trx, handlerSignal), {
        gate,
        timeoutMs: member.timeoutMs,
        abort: stop.signal,
      });
      const outcome = end.kind === 'returned' && isOutcome(end.result) ? end.result : undefined;
      if (end.kind !== 'returned' || (outcome !== undefined && outcome.kind !== 'skip')) {
        const refusal = outcome && { eventId: member.row.eventId, outcome: outcome.kind };
        stopped ??= { end, gate, ...(refusal && { refusal }) };
        stop.abort(new Error('another event of the batch failed; this one is handled again, by itself'));
        return;
      }
      if (outcome === undefined) continue;
      skipped.add(index);
      // If it fails, COMMIT says so.
      settleOutcome(bookkeeping, member.row, { outcome: 'skipped', reason: outcome.reason }).catch(
        () => undefined,
      );
    }
  }

  const lanes = Map.groupBy(
    [...members.entries()].filter(([index]) => recorded[index]?.isFresh === true),
    ([, member]) => member.aggregate,
  );
  await Promise.all([...lanes.values()].map(runLane));
  signal.removeEventListener('abort', stopAll);
  return { gates, skipped, ...(stopped !== undefined && { stopped }) };
}

function toBatchEnd(verdict: Verdict): BatchEnd {
  // With several leases one may be lost and the others not: each event finds out for itself.
  const interrupted = verdict.kind === 'interrupted' && verdict.cause !== 'fenced';
  return interrupted ? verdict : { kind: 'isolate', error: verdict.error };
}
