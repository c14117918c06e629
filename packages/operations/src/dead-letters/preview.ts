import {
  countLetters,
  type LetterCounts,
  type LetterPreview,
  type LetterSelection,
  previewLetters,
  readClock,
} from '@event-bus/inbox';
import type { LetterServers } from './request.ts';

/** What would be done to letters, and how the others that are selected stand. */
export type ChangePreview = LetterPreview & Omit<LetterCounts, 'ready'>;

/** Looks what a redrive would hand over. */
export async function previewRedrive(
  { db }: Pick<LetterServers, 'db'>,
  selection: LetterSelection,
  limit: number,
): Promise<ChangePreview> {
  return preview(db, selection, { ready: true, limit });
}

/** Looks what would be discarded. */
export async function previewDiscard(
  { db }: Pick<LetterServers, 'db'>,
  selection: LetterSelection,
  limit: number,
): Promise<ChangePreview> {
  return preview(db, selection, { ready: false, limit });
}

async function preview(
  db: LetterServers['db'],
  selection: LetterSelection,
  scope: { readonly ready: boolean; readonly limit: number },
): Promise<ChangePreview> {
  const frozen = { selection, cutOff: await readClock(db) };
  const { behind, redriving } = await countLetters(db, frozen);
  return { ...(await previewLetters(db, frozen, scope)), behind, redriving };
}
