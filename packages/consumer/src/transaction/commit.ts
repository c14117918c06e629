import { assertLease, leaseLostState } from '@event-bus/inbox';
import { CommitUnknownError, LeaseLostError } from '../errors.ts';
import type { Lease } from '../settlement.ts';
import { bindBookkeeping } from './bound-transaction.ts';
import type { Session } from './session.ts';
import { isUnavailable, sqlState } from './sql-state.ts';
import { within } from './within.ts';

/** How a COMMIT ended. `rolled-back`: a statement had failed before, and PostgreSQL says so only by the command tag. */
export type CommitEnd = 'committed' | 'rolled-back';

const patienceMs = 30_000;

/**
 * Checks the leases and commits, in one round trip: if a lease is not held any more, COMMIT rolls back. `next` is
 * called when that is sent, and may begin another transaction on the same connection.
 * @throws LeaseLostError a lease has passed to another holder.
 * @throws CommitUnknownError the reply was lost.
 * @throws PostgreSQL's error if it refused to commit (a deferred constraint, a conflict).
 */
export async function commit(
  session: Session,
  group: string,
  leases: readonly Lease[],
  next: () => void,
): Promise<CommitEnd> {
  const distinct = new Map(leases.map((lease) => [`${lease.stream} ${lease.token}`, lease]));
  const checks = [...distinct.values()].map(async (lease) => {
    try {
      await assertLease(bindBookkeeping(session), { group, ...lease });
    } catch (cause) {
      throw sqlState(cause) === leaseLostState ? new LeaseLostError(lease.stream, { cause }) : cause;
    }
  });
  const committed = session.control('commit');
  session.passOn(committed, next);
  const replies = Promise.allSettled([committed, ...checks] as const);
  const waited = await within(replies, patienceMs);
  if (waited.kind !== 'fulfilled') {
    session.discard();
    throw new CommitUnknownError({ cause: new Error(`no answer within ${patienceMs} ms`) });
  }
  const [reply, ...checked] = waited.value;
  if (reply.status === 'rejected') {
    const cause: unknown = reply.reason;
    throw sqlState(cause) === undefined || isUnavailable(cause) ? new CommitUnknownError({ cause }) : cause;
  }
  if (reply.value === 'COMMIT') return 'committed';
  const lost = checked.find((check) => check.status === 'rejected' && check.reason instanceof LeaseLostError);
  if (lost?.status === 'rejected') throw lost.reason;
  return 'rolled-back';
}
