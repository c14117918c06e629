import type { ReplayProgress } from '@event-bus/database';
import { compareEntryIds } from '@event-bus/transport';
import type { Batch } from './batches.ts';

/** How far a stream is injected and settled, and what of it is neither: injected, and still in the group's hands. */
export interface Ahead {
  readonly progress: ReplayProgress;
  /** Of what is not settled, as far as this process injected it. */
  readonly bytes: number;
  readonly isSettled: boolean;
  /** A batch was injected; `lastId` is that of the inject stream under which anything was injected last. */
  injected(batch: Batch, lastId: string): void;
  /** What is not settled begins with this ID of the inject stream; `null`: all is settled. */
  settled(firstId: string | null): void;
}

interface Part {
  readonly lastId: string;
  to: string;
  readonly count: number;
  readonly bytes: number;
}

/**
 * Goes on from what is noted and what the server knows. The inject stream is in order, and what is settled leaves it: so
 * all up to a part is settled when the stream begins behind it.
 */
export function createAhead(
  noted: ReplayProgress,
  taken: { readonly at: string; readonly lastId: string },
): Ahead {
  let { handledTo, scanned, injected, handled } = noted;
  let injectedTo = taken.at;
  let bytes = 0;
  const parts: Part[] = [];
  const add = (part: Part) => {
    const last = parts.at(-1);
    if (last?.lastId === part.lastId) last.to = part.to;
    else parts.push(part);
  };
  if (taken.at !== handledTo)
    add({ lastId: taken.lastId, to: taken.at, count: Math.max(0, injected - handled), bytes: 0 });

  return {
    get progress() {
      return { injectedTo, handledTo, scanned, injected, handled };
    },
    get bytes() {
      return bytes;
    },
    get isSettled() {
      return parts.length === 0;
    },
    injected(batch, lastId) {
      injectedTo = batch.to;
      scanned += batch.scanned;
      injected += batch.entries.length;
      bytes += batch.bytes;
      add({ lastId, to: batch.to, count: batch.entries.length, bytes: batch.bytes });
    },
    settled(firstId) {
      for (let part = parts[0]; part !== undefined; part = parts[0]) {
        if (firstId !== null && compareEntryIds(firstId, part.lastId) <= 0) return;
        handledTo = part.to;
        handled += part.count;
        bytes -= part.bytes;
        parts.shift();
      }
    },
  };
}
