import type { BusDatabase } from '@event-bus/database';
import { type GiveUpEnd, giveUp, giveUpAll, type Letter } from '@event-bus/inbox';
import type { GroupRef } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { type GivenUpEntry, letterOf } from './letter.ts';

/**
 * PostgreSQL refuses a value: no such time, a NUL, too long for an index. Not what violates a constraint: a day whose
 * partition is just being made takes no rows, and takes them later.
 */
export function isUnstorable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(22|54)/.test(String(error.code));
}

/** What became of giving an entry up. */
export interface GivenUp {
  readonly letter: Letter;
  readonly end: GiveUpEnd;
}

/**
 * Settles entries as dead, all at once: one answer per entry, in order. `undefined` if that does not go: then nothing is
 * done, and whoever gives them up one by one learns which of them fails, and how.
 */
export async function giveUpTogether(
  inbox: Kysely<BusDatabase>,
  ref: GroupRef,
  entries: readonly GivenUpEntry[],
  now: number,
): Promise<readonly GivenUp[] | undefined> {
  try {
    const letters = entries.map((entry) => letterOf(ref, entry, now));
    const ends = await giveUpAll(inbox, letters);
    return letters.map((letter, index) => ({ letter, end: ends[index] ?? 'busy' }));
  } catch {
    return undefined;
  }
}

/** Settles an entry as dead, under a key that the inbox can hold. `now` is in milliseconds since the epoch. */
export async function giveUpEntry(
  inbox: Kysely<BusDatabase>,
  ref: GroupRef,
  entry: GivenUpEntry,
  now: number,
): Promise<GivenUp> {
  const letter = letterOf(ref, entry, now);
  try {
    return { letter, end: await giveUp(inbox, letter) };
  } catch (error) {
    if (!isUnstorable(error)) throw error;
    const fitting = letterOf(ref, entry, now, true);
    return { letter: fitting, end: await giveUp(inbox, fitting) };
  }
}
