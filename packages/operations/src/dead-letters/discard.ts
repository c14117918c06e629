import { type BusDatabase, recordAction } from '@event-bus/database';
import {
  discardLetters,
  type LetterSelection,
  loadDead,
  loadUnforgotten,
  noteForgotten,
  readClock,
  type SettledLetter,
} from '@event-bus/inbox';
import type { EntryMover } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { batchSize, type OperatorRequest } from './request.ts';

interface Servers {
  readonly db: Kysely<BusDatabase>;
  readonly mover: EntryMover;
}

/**
 * Settles dead letters as discarded: they will never be handled. The rows stay, with their reason; the copies in Redis go.
 * Letters that somebody else has in hand are left alone. Returns how many it settled.
 */
export async function discardDeadLetters(
  { db, mover }: Servers,
  selection: LetterSelection,
  { operator, reason, limit }: OperatorRequest & { readonly reason: string },
): Promise<number> {
  await forgetLeftOver({ db, mover });
  const cutOff = await readClock(db);
  const action = {
    operator,
    action: 'discard',
    group: selection.group ?? null,
    reason,
    details: { selection },
  } as const;
  const actionId = await db.transaction().execute((trx) => recordAction(trx, action));
  let settled = 0;
  while (settled < limit) {
    const letters = await loadDead(db, { selection, cutOff }, Math.min(batchSize, limit - settled));
    const discarded = await db
      .transaction()
      .execute((trx) => discardLetters(trx, letters, { actionId, reason }));
    if (discarded.length === 0) break;
    settled += discarded.length;
    await forgetCopies({ db, mover }, discarded);
  }
  return settled;
}

/** Copies of letters whose discarding was killed before it came to them. */
async function forgetLeftOver(servers: Servers): Promise<void> {
  for (;;) {
    const letters = await loadUnforgotten(servers.db, batchSize);
    if (letters.length === 0) return;
    await forgetCopies(servers, letters);
  }
}

async function forgetCopies({ db, mover }: Servers, letters: readonly SettledLetter[]): Promise<void> {
  const copied = letters.filter(({ dlqId }) => dlqId !== null);
  for (const { stream, group } of placesOf(copied)) {
    const own = copied.filter((letter) => letter.stream === stream && letter.group === group);
    await mover.forget(
      { stream, group },
      own.map(({ dlqId, entryEventId }) => ({ id: dlqId ?? '', eventId: entryEventId })),
    );
  }
  await noteForgotten(db, copied);
}

function placesOf(letters: readonly SettledLetter[]): Iterable<SettledLetter> {
  return new Map(letters.map((letter) => [`${letter.group} ${letter.stream}`, letter])).values();
}
