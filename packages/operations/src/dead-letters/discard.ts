import { recordAction } from '@event-bus/database';
import {
  discardLetters,
  type LetterRecord,
  type LetterSelection,
  loadUnforgotten,
  noteForgotten,
  pagesInOrder,
  readClock,
  type SettledLetter,
} from '@event-bus/inbox';
import type { OperatorRequest } from '../operator-request.ts';
import { batchSize, type LetterServers, wholeLetters } from './request.ts';

/** What is to be discarded, and where it is kept. */
export interface DiscardRequest extends OperatorRequest {
  readonly reason: string;
  readonly limit: number;
  /** Keeps letters for good before they are discarded: when it resolves, no crash may take them back. */
  readonly keep: (letters: readonly LetterRecord[]) => Promise<void>;
  /** Told how many are discarded by now. */
  readonly onProgress?: (discarded: number) => void;
}

/**
 * Settles dead letters as discarded: they will never be handled. Each is kept first, so that it can be brought back. The
 * rows stay, with their reason; the copies in Redis go. Letters that somebody else has in hand are left alone. Returns
 * how many it settled. Killed between keeping and settling, it leaves letters that are kept and still dead.
 */
export async function discardDeadLetters(
  { db, mover }: LetterServers,
  selection: LetterSelection,
  { operator, reason, limit, keep, onProgress }: DiscardRequest,
): Promise<number> {
  await forgetLeftOver({ db, mover });
  const frozen = { selection, cutOff: await readClock(db), states: ['dead'] as const };
  let actionId: string | undefined;
  let settled = 0;
  for await (const letters of pagesInOrder(db, frozen, { pageSize: wholeLetters, limit })) {
    await keep(letters);
    const discarded = await db.transaction().execute(async (trx) => {
      const details = { selection, limit };
      const action = {
        operator,
        action: 'discard',
        group: selection.group ?? null,
        reason,
        details,
      } as const;
      actionId ??= await recordAction(trx, action);
      return discardLetters(trx, letters, { actionId, reason });
    });
    settled += discarded.length;
    await forgetCopies({ db, mover }, discarded);
    onProgress?.(settled);
  }
  return settled;
}

/** Copies of letters whose discarding was killed before it came to them. */
async function forgetLeftOver(servers: LetterServers): Promise<void> {
  for (;;) {
    const letters = await loadUnforgotten(servers.db, batchSize);
    if (letters.length === 0) return;
    await forgetCopies(servers, letters);
  }
}

async function forgetCopies({ db, mover }: LetterServers, letters: readonly SettledLetter[]): Promise<void> {
  const copied = letters.filter(({ dlqId }) => dlqId !== null);
  for (const own of Map.groupBy(copied, ({ group, stream }) => `${group} ${stream}`).values()) {
    const [first] = own;
    if (first === undefined) continue;
    await mover.forget(
      { stream: first.stream, group: first.group },
      own.map(({ dlqId, entryEventId }) => ({ id: dlqId ?? '', eventId: entryEventId })),
    );
  }
  await noteForgotten(db, copied);
}
