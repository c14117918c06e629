import {
  adoptCopies,
  type CopyCursor,
  type CopyKey,
  type FoundCopy,
  type LetterPlace,
  loadCopyKeys,
  loadDeadLetters,
  noteCopies,
} from '@event-bus/inbox';
import { addableFields, derivedKeys, type StreamEntry, type StreamObserver } from '@event-bus/transport';
import { giveUpEntry } from './give-up-entry.ts';
import { detailsOf, entryOfCopy } from './letter.ts';
import type { Moving } from './move.ts';

/** What comparing takes. */
export interface CopyParts extends Pick<Moving, 'inbox' | 'mover' | 'observer'> {
  readonly streams: StreamObserver;
}

const keysAtATime = 1_000;
/** With what they hold: each may have a megabyte. */
const lettersAtATime = 50;

type Found = StreamEntry & FoundCopy;

/**
 * Goes through the copies that stand at a place: those of letters that know none are assigned to them, and those that are
 * too many are deleted. A letter that is gone is written again from its copy, unless its event was handled since: letters
 * end by being redriven or discarded, and the copy may be all that is left of this one.
 */
export async function sortOutCopies(
  parts: CopyParts,
  place: LetterPlace,
  signal: AbortSignal,
): Promise<void> {
  const { inbox, mover, streams } = parts;
  const key = derivedKeys.deadLetters(place.stream, place.group);
  let from = '-';
  while (!signal.aborted) {
    const page = (await streams.range(key, from, '+', lettersAtATime)).filter(({ id }) => id !== from);
    const last = page.at(-1);
    if (last === undefined) return;
    const strangers = await bringBack(parts, place, await adoptCopies(inbox, place, page.map(toFound)));
    await mover.forget(
      place,
      strangers.map(({ dlqId, eventId }) => ({ id: dlqId, eventId })),
    );
    from = last.id;
  }
}

function toFound(entry: StreamEntry): Found {
  const { event_id: eventId = '', replay_id: replayId = '', dlq_original_id: streamId = '' } = entry.fields;
  return { ...entry, dlqId: entry.id, eventId, replayId, streamId };
}

/** Writes the letters again that these copies are of and that are gone. Returns those that are still of no letter. */
async function bringBack(
  { inbox, observer }: CopyParts,
  place: LetterPlace,
  copies: readonly Found[],
): Promise<readonly Found[]> {
  const now = Date.now();
  const doubtful = new Set<Found>();
  for (const copy of copies) {
    const entry = entryOfCopy(place, copy.fields, now);
    if (entry !== undefined && (await giveUpEntry(inbox, place, entry, now)).end === 'busy')
      doubtful.add(copy);
  }
  const strangers = await adoptCopies(inbox, place, copies);
  const broughtBack = copies.length - strangers.length;
  if (broughtBack > 0) observer.broughtBack(place, broughtBack);
  return strangers.filter((copy) => !doubtful.has(copy));
}

/** Writes again the copies of dead letters that do not stand at their place. */
export async function restoreCopies(
  parts: CopyParts,
  place: LetterPlace,
  signal: AbortSignal,
): Promise<void> {
  let after: CopyCursor | null = null;
  do {
    const page: Awaited<ReturnType<typeof loadCopyKeys>> = await loadCopyKeys(
      parts.inbox,
      place,
      after,
      keysAtATime,
    );
    const missing = await missingOf(parts, place, page.keys);
    for (let at = 0; at < missing.length && !signal.aborted; at += lettersAtATime) {
      await restore(parts, place, missing.slice(at, at + lettersAtATime));
    }
    after = page.cursor;
  } while (after !== null && !signal.aborted);
}

async function missingOf(
  { mover }: CopyParts,
  place: LetterPlace,
  keys: readonly CopyKey[],
): Promise<readonly CopyKey[]> {
  const known = keys.flatMap(({ dlqId, entryEventId }) =>
    dlqId === null ? [] : [{ id: dlqId, eventId: entryEventId }],
  );
  const absent = new Set(await mover.absent(place, 'dead-letters', known));
  return keys.filter(({ dlqId }) => dlqId === null || absent.has(dlqId));
}

async function restore(
  { inbox, mover, observer }: CopyParts,
  place: LetterPlace,
  keys: readonly CopyKey[],
): Promise<void> {
  const letters = await loadDeadLetters(inbox, keys);
  const ids = await mover.restore(
    place,
    letters.map((letter) => ({
      fields: addableFields(letter.fields),
      details: detailsOf(letter),
      deadLetterId: letter.dlqId ?? undefined,
    })),
  );
  const changed = letters.flatMap((letter, index) => {
    const dlqId = ids[index];
    return dlqId === undefined || dlqId === letter.dlqId ? [] : [{ ...letter, dlqId }];
  });
  await noteCopies(inbox, changed);
  if (changed.length > 0) observer.restored(place, changed.length);
}
