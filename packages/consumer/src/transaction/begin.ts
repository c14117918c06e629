import type { BusDatabase } from '@event-bus/database';
import { beginHandling, findBlockers, type Recorded, recordHandled, reviveDead } from '@event-bus/inbox';
import type { Transaction } from 'kysely';
import { DatabaseUnavailableError, ShutdownError } from '../errors.ts';
import { bindBookkeeping } from './bound-transaction.ts';
import type { Member } from './member.ts';
import type { Session } from './session.ts';
import { within } from './within.ts';

/** What the inbox knew of the members of a transaction, in their order. */
export interface Begun {
  readonly recorded: readonly Recorded[];
  /** By index: the dead letter that a member must wait behind. */
  readonly blockers: ReadonlyMap<number, string>;
}

// The event may just be handled in another transaction, which ends after its own handler's time.
const marginMs = 10_000;

/**
 * Begins the transaction and records its events, in one round trip.
 * @throws ShutdownError, DatabaseUnavailableError, UnrecordableEventError, or PostgreSQL's error if it lost against
 * another transaction.
 */
export async function begin(
  session: Session,
  group: string,
  members: readonly Member[],
  signal: AbortSignal,
): Promise<Begun> {
  const timeoutMs = Math.max(...members.map((member) => member.timeoutMs));
  const bookkeeping = bindBookkeeping(session);
  const replies = allAnswered([
    session.control(beginHandling),
    recordHandled(
      bookkeeping,
      members.map(({ row }) => row),
      { idleMs: session.idleMs },
    ),
    lookForBlockers(bookkeeping, group, members),
  ] as const);
  const begun = replies.then(async ([, recorded, blockers]) => {
    return { recorded: await revive(bookkeeping, members, recorded), blockers };
  });

  const waited = await within(begun, timeoutMs + marginMs, signal);
  if (waited.kind === 'aborted') throw new ShutdownError({ cause: signal.reason });
  if (waited.kind === 'late') {
    throw new DatabaseUnavailableError('recording events in the inbox', {
      cause: new Error(`no answer within ${timeoutMs + marginMs} ms`),
    });
  }
  return waited.value;
}

async function lookForBlockers(
  bookkeeping: Transaction<BusDatabase>,
  group: string,
  members: readonly Member[],
): Promise<Map<number, string>> {
  const held = members.flatMap(({ heldBy }, index) => (heldBy === undefined ? [] : [{ index, heldBy }]));
  if (held.length === 0) return new Map();
  const blockers = await findBlockers(
    bookkeeping,
    group,
    held.map(({ heldBy }) => heldBy),
  );
  return new Map(
    held.flatMap(({ index }, at) => {
      const blocker = blockers[at] ?? null;
      return blocker === null ? [] : [[index, blocker] as const];
    }),
  );
}

/** What is injected may be a redrive: the inbox knows it as dead, and it is to be handled all the same. */
async function revive(
  bookkeeping: Transaction<BusDatabase>,
  members: readonly Member[],
  recorded: readonly Recorded[],
): Promise<readonly Recorded[]> {
  const settled = [...members.entries()].filter(
    ([index, { injected }]) => injected && recorded[index]?.isFresh !== true,
  );
  if (settled.length === 0) return recorded;
  const revived = await reviveDead(
    bookkeeping,
    settled.map(([, { row }]) => row),
  );
  const alive = new Set(settled.flatMap(([index], at) => (revived[at] === true ? [index] : [])));
  return recorded.map((known, index) => (alive.has(index) ? { isFresh: true } : known));
}

/** Like Promise.all, but waits for all even if one is rejected: statements behind it are still under way. */
async function allAnswered<const Promises extends readonly Promise<unknown>[]>(
  promises: Promises,
): Promise<{ -readonly [Index in keyof Promises]: Awaited<Promises[Index]> }> {
  await Promise.allSettled(promises);
  return (await Promise.all(promises)) as { -readonly [Index in keyof Promises]: Awaited<Promises[Index]> };
}
