import {
  adoptCopies,
  countOpenLetters,
  type DeadLetterRow,
  type LetterPlace,
  loadDeadLetters,
  noteCopies,
  type OpenLetters,
  releaseHeld,
} from '@event-bus/inbox';
import { injectRedriving } from '@event-bus/operations';
import { derivedKeys, type StreamObserver } from '@event-bus/transport';
import { detailsOf } from './letter.ts';
import type { Moving } from './move.ts';

/** Brings what stands in Redis in line with the letters in PostgreSQL, which are the truth. */
export interface Repair {
  /** Looks after one group: cheap as long as the counts agree. */
  look(group: string): Promise<void>;
}

const pageSize = 200;
/** What counts do not show (an entry that was deleted by hand, say) is found by looking at each now and again. */
const thoroughEveryMs = 30_000;

/** Creates the repair of one mover. */
export function createRepair(parts: Moving & { readonly streams: StreamObserver }): Repair {
  const { inbox, mover, streams, observer } = parts;
  /** Places whose copies differed at the last look: what is just being moved differs for a moment. */
  const suspects = new Set<string>();
  const injectedAt = new Map<string, number>();

  async function look(group: string): Promise<void> {
    const released = await releaseHeld(inbox, group);
    if (released > 0) observer.released(group, released);
    const places = await countOpenLetters(inbox, group);
    for (const place of places) await checkCopies(place);
    if (await needsInjecting(group, places)) {
      const count = await injectRedriving({ db: inbox, mover }, group);
      injectedAt.set(group, performance.now());
      const fresh =
        places.reduce((sum, { redrivingNotInjected }) => sum + redrivingNotInjected, 0) + released;
      if (fresh > 0) observer.injected({ group, stream: places[0]?.stream ?? '' }, count);
    }
  }

  async function needsInjecting(group: string, places: readonly OpenLetters[]): Promise<boolean> {
    for (const { stream, redriving, redrivingNotInjected } of places) {
      if (redriving === 0) continue;
      if (redrivingNotInjected > 0) return true;
      if ((await mover.injectedCount({ group, stream })) < redriving) return true;
      if (performance.now() - (injectedAt.get(group) ?? 0) > thoroughEveryMs) return true;
    }
    return false;
  }

  async function checkCopies(place: OpenLetters): Promise<void> {
    const key = derivedKeys.deadLetters(place.stream, place.group);
    const { length } = await streams.stream(key);
    if (length === place.dead && place.deadWithoutCopy === 0) {
      suspects.delete(key);
    } else if (suspects.has(key)) {
      await compareAll(place, key);
      suspects.delete(key);
    } else {
      suspects.add(key);
    }
  }

  /** First what stands in Redis is assigned to its letters, and the rest forgotten; then what is lacking is written. */
  async function compareAll(place: LetterPlace, key: string): Promise<void> {
    let from = '-';
    for (;;) {
      const page = (await streams.range(key, from, '+', pageSize)).filter(({ id }) => id !== from);
      const last = page.at(-1);
      if (last === undefined) break;
      const found = page.map(({ id, fields }) => ({
        dlqId: id,
        eventId: fields.event_id ?? '',
        replayId: fields.replay_id ?? '',
        streamId: fields.dlq_original_id ?? '',
      }));
      const strangers = await adoptCopies(inbox, place, found);
      await mover.forget(
        place,
        strangers.map(({ dlqId, eventId }) => ({ id: dlqId, eventId })),
      );
      from = last.id;
    }
    await restoreMissing(place);
  }

  async function restoreMissing(place: LetterPlace): Promise<void> {
    let after: DeadLetterRow | null = null;
    for (;;) {
      const page: DeadLetterRow[] = await loadDeadLetters(inbox, place, after, pageSize);
      after = page.at(-1) ?? null;
      if (after === null) return;
      const copies = page.map((letter) => ({
        fields: letter.fields,
        details: detailsOf(letter),
        deadLetterId: letter.dlqId ?? undefined,
      }));
      const ids = await mover.restore(place, copies);
      const changed = page.flatMap((letter, index) => {
        const dlqId = ids[index];
        return dlqId === undefined || dlqId === letter.dlqId ? [] : [{ ...letter, dlqId }];
      });
      await noteCopies(inbox, changed);
      if (changed.length > 0) observer.restored(place, changed.length);
    }
  }

  return { look };
}
