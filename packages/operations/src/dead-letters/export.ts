import { type LetterRecord, type LetterSelection, pagesInOrder, readClock } from '@event-bus/inbox';
import { type LetterServers, wholeLetters } from './request.ts';

/** Yields the open letters of a selection whole, in the order of their events, as it is when this begins. */
export async function* exportLetters(
  { db }: Pick<LetterServers, 'db'>,
  selection: LetterSelection,
  limit: number,
): AsyncGenerator<readonly LetterRecord[], void> {
  const frozen = { selection, cutOff: await readClock(db), states: ['dead', 'redriving'] as const };
  yield* pagesInOrder(db, frozen, { pageSize: wholeLetters, limit });
}
