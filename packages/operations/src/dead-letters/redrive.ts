import { type BusDatabase, recordAction } from '@event-bus/database';
import { type LetterSelection, markRedriving, readClock } from '@event-bus/inbox';
import type { EntryMover } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { injectRedriving } from './inject.ts';
import { batchSize, type OperatorRequest } from './request.ts';

/**
 * Has dead letters handled again, the first in the order of their events first. Those that die again meanwhile are not
 * taken up a second time. What is marked is redriven even if this is killed: the dlq-mover injects it. Returns how many
 * letters were marked.
 */
export async function redriveDeadLetters(
  { db, mover }: { readonly db: Kysely<BusDatabase>; readonly mover: EntryMover },
  selection: LetterSelection,
  { operator, reason, limit }: OperatorRequest,
): Promise<number> {
  const cutOff = await readClock(db);
  const action = {
    operator,
    action: 'redrive',
    group: selection.group ?? null,
    reason,
    details: { selection },
  } as const;
  const actionId = await db.transaction().execute((trx) => recordAction(trx, action));
  let marked = 0;
  while (marked < limit) {
    const page = { limit: Math.min(batchSize, limit - marked), actionId };
    const letters = await db.transaction().execute((trx) => markRedriving(trx, { selection, cutOff }, page));
    if (letters.length === 0) break;
    marked += letters.length;
    for (const group of new Set(letters.map((letter) => letter.group))) {
      await injectRedriving({ db, mover }, group);
    }
  }
  return marked;
}
