import { type InjectedLetter, type LetterPlace, loadInjected, noteLost } from '@event-bus/inbox';
import type { Moving } from './move.ts';

const lettersAtATime = 1_000;

/** Finds redrives that Redis has lost, and makes them ones that are to be injected. */
export async function findLostRedrives(
  { inbox, mover, observer }: Pick<Moving, 'inbox' | 'mover' | 'observer'>,
  place: LetterPlace,
  signal: AbortSignal,
): Promise<void> {
  let page: readonly InjectedLetter[];
  let after: InjectedLetter | null = null;
  do {
    page = await loadInjected(inbox, place, after, lettersAtATime);
    const asked = page.map(({ injectId, entryEventId }) => ({ id: injectId, eventId: entryEventId }));
    const absent = new Set(await mover.absent(place, 'injected', asked));
    const lost = await noteLost(
      inbox,
      page.filter(({ injectId }) => absent.has(injectId)),
    );
    if (lost > 0) observer.lost(place, lost);
    after = page.at(-1) ?? null;
  } while (page.length === lettersAtATime && !signal.aborted);
}
