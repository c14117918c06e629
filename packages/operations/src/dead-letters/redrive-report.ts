import {
  countLetters,
  type FailedRedrive,
  type FrozenSelection,
  readFailed,
  readProgress,
} from '@event-bus/inbox';
import type { LetterServers } from './request.ts';

/**
 * How a redrive ended.
 * - `complete`: nothing is left that could be handed over, or the limit is reached.
 * - `stopped`: one failed again, and it was asked to stop then.
 * - `impatient`: nothing had changed for as long as it was to wait.
 * - `interrupted`: by its signal.
 */
export type RedriveEnd = 'complete' | 'stopped' | 'impatient' | 'interrupted';

/** What became of a redrive. */
export interface RedriveReport {
  readonly end: RedriveEnd;
  /** Under which it is on record; `null` if nothing was to be done. */
  readonly actionId: string | null;
  /** How many letters it handed over or found on their way. */
  readonly letters: number;
  readonly handled: number;
  readonly deadAgain: number;
  /** Handed over and not handled yet. */
  readonly waiting: number;
  /** Discarded by somebody meanwhile. */
  readonly discarded: number;
  /** Selected and not handed over: because of the limit, or because it ended early. */
  readonly left: number;
  /** Selected and waiting behind earlier dead letters of their aggregates, in groups that hold. */
  readonly behind: number;
  /** The first twenty of those that are dead again. */
  readonly failed: readonly FailedRedrive[];
}

const shownFailures = 20;

/** Looks what became of a redrive. */
export async function reportRedrive(
  { db }: Pick<LetterServers, 'db'>,
  frozen: FrozenSelection,
  { actionId, end }: { readonly actionId: string | null; readonly end: RedriveEnd },
): Promise<RedriveReport> {
  const progress = actionId === null ? null : await readProgress(db, actionId);
  const { dead = 0, redriving = 0, done = 0, discarded = 0 } = progress ?? {};
  const { ready, behind } = await countLetters(db, frozen);
  return {
    end,
    actionId,
    letters: dead + redriving + done + discarded,
    handled: done,
    deadAgain: dead,
    waiting: redriving,
    discarded,
    left: ready,
    behind,
    failed: actionId === null || dead === 0 ? [] : await readFailed(db, actionId, shownFailures),
  };
}
