import { type History, listObjects, readHistory, readLeftEntries } from '@event-bus/archive';
import {
  type BusDatabase,
  noteReplay,
  type Replay,
  type ReplayNote,
  type ReplayStream,
} from '@event-bus/database';
import { isWanted, toleranceOf } from '@event-bus/operations';
import { sleep } from '@event-bus/service';
import type { EntryMover, StreamEntry } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { createAhead } from './ahead.ts';
import { batchesOf } from './batches.ts';
import { SupersededError } from './errors.ts';
import { findEnd } from './find-end.ts';
import { createInjection } from './injection.ts';
import type { ReplayObserver } from './observer.ts';
import type { Pacer } from './pacer.ts';

/** What a replay works with. */
export interface ReplayParts {
  readonly bus: Kysely<BusDatabase>;
  readonly history: History;
  readonly mover: EntryMover;
  readonly observer: ReplayObserver;
  /** What may be injected and not settled. */
  readonly ahead: { readonly entries: number; readonly bytes: number };
}

/** One replay under way. Aborting the signal leaves it as it is. */
export interface ReplayWork {
  readonly replay: Replay;
  readonly pacer: Pacer;
  readonly signal: AbortSignal;
  /** Told of how far a stream is. */
  readonly moved: (stream: ReplayStream) => void;
}

/** How long to wait for events that a stream has lost and that are to be written to it again. */
const REBUILD_POLL_MS = 1_000;
const BATCH_BYTES = 1_024 * 1_024;
const BATCH_SCANNED = 2_000;

/**
 * Replays one stream from where it is to its end, and returns when the group has settled all of it. If Redis forgets what
 * was injected, it begins again behind what was settled.
 * @throws SupersededError, or what keeps it from being read, injected or noted
 */
export async function replayStream(parts: ReplayParts, work: ReplayWork, from: ReplayStream): Promise<void> {
  const { bus, history, mover } = parts;
  const { replay, pacer, signal, moved } = work;
  const { id, token, group, filter } = replay;
  const ref = { stream: from.stream, group };
  const limits = { entries: pacer.burst, bytes: BATCH_BYTES, scanned: BATCH_SCANNED };
  let stream = from;
  const note = async (change: ReplayNote) => {
    if (!(await noteReplay(bus, { id, token }, stream.stream, change))) throw new SupersededError();
    stream = { ...stream, ...change };
    moved(stream);
  };

  while (!signal.aborted && !stream.isDone) {
    const taken = await mover.takeReplay(ref, { replay: id, token, handledTo: stream.handledTo });
    if (taken === null) throw new SupersededError();
    const ahead = createAhead(stream, taken);
    await note(ahead.progress);
    if (!(await noteEnd())) {
      await sleep(REBUILD_POLL_MS, signal);
      continue;
    }
    const injection = createInjection(parts, work, { ref, ahead, note });
    for await (const batch of batchesOf(unread(), (entry) => isWanted(filter, entry), limits)) {
      if (!(await injection.inject(batch))) break;
    }
    // Something may have left the stream meanwhile, or stand in it under another ID.
    if ((await injection.settle()) && (await isThrough())) {
      await mover.endReplay(ref, id);
      await note({ isDone: true, lastId: stream.injectedTo });
    }
  }

  /** Looks where the range ends; false as long as its end is lost. */
  async function noteEnd(): Promise<boolean> {
    const { lastId, injectedTo } = stream;
    if (lastId === null) return true;
    const end = await findEnd(history, replay, { ...stream, lastId }, injectedTo);
    if (end !== undefined && end.lastId !== lastId) await note(end);
    return end !== undefined;
  }

  async function* unread(): AsyncGenerator<StreamEntry> {
    const { firstId, lastId, injectedTo: after } = stream;
    const isAtBeginning = after === firstId;
    if (lastId === null) {
      const mayBeGone = isAtBeginning || (await isExpiredTo(after)) ? 'all' : undefined;
      yield* readLeftEntries(history, { ...ref, after, mayBeGone });
    } else {
      const mayBeGone = isAtBeginning ? toleranceOf(filter.occurredFrom) : undefined;
      yield* readHistory(history, { ...ref, after, to: lastId, mayBeGone });
    }
  }

  /** Whether the archive, which expires from its beginning, has nothing up to a place: more may be gone then. */
  async function isExpiredTo(to: string): Promise<boolean> {
    if (history.store === undefined) return false;
    for await (const _ of listObjects(history.store, { stream: ref.stream, to })) return false;
    return true;
  }

  async function isThrough(): Promise<boolean> {
    const { lastId } = stream;
    if (lastId !== null) return (await noteEnd()) && stream.lastId === lastId;
    for await (const _ of unread()) return false;
    return true;
  }
}
