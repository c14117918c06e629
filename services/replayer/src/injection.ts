import type { ReplayProgress } from '@event-bus/database';
import { sleep } from '@event-bus/service';
import type { GroupRef, StreamEntry } from '@event-bus/transport';
import type { Ahead } from './ahead.ts';
import type { Batch } from './batches.ts';
import { SupersededError } from './errors.ts';
import type { ReplayParts, ReplayWork } from './replay-stream.ts';

/** Brings batches into the group's inject stream, no further ahead of the group than is allowed. */
export interface Injection {
  /** Injects a batch when there is room; false if what was injected is lost, or the signal aborted. */
  inject(batch: Batch): Promise<boolean>;
  /** Waits until all is settled; false in the same cases. */
  settle(): Promise<boolean>;
}

/** How often to look whether the group has settled something. */
const POLL_MS = 100;
/** A replay that waits still looks so often whether it was stopped. */
const NOTE_MS = 1_000;

/** Creates the injection of one stream, which goes on where `ahead` is. */
export function createInjection(
  { mover, observer, ahead: most }: ReplayParts,
  { replay, pacer, signal }: ReplayWork,
  {
    ref,
    ahead,
    note,
  }: {
    readonly ref: GroupRef;
    readonly ahead: Ahead;
    readonly note: (progress: ReplayProgress) => Promise<void>;
  },
): Injection {
  const { id, token, kind } = replay;
  let noted = ahead.progress;
  let notedAt = performance.now();

  async function send(to: string, entries: readonly StreamEntry[]) {
    const { injectedTo: at } = ahead.progress;
    // History is the first that the group sees of these events: they count as live traffic, and are handled once.
    const replayId = kind === 'history' ? '' : id;
    const limit = most.entries;
    const reply = await mover.injectReplay(ref, { replay: id, token, at, to, replayId, entries, limit });
    if (reply.outcome === 'superseded') throw new SupersededError();
    if (reply.outcome !== 'lost') ahead.settled(reply.firstId);
    return reply;
  }

  async function tell(): Promise<void> {
    const { injectedTo, handledTo } = ahead.progress;
    const hasMoved = injectedTo !== noted.injectedTo || handledTo !== noted.handledTo;
    if (!hasMoved && performance.now() - notedAt < NOTE_MS) return;
    noted = ahead.progress;
    notedAt = performance.now();
    await note(noted);
  }

  return {
    async inject(batch) {
      await pacer.wait(batch.entries.length, signal);
      while (!signal.aborted) {
        const hasRoom = ahead.bytes < most.bytes;
        const beganAt = Date.now();
        const reply = hasRoom
          ? await send(batch.to, batch.entries)
          : await send(ahead.progress.injectedTo, []);
        if (reply.outcome === 'lost') return false;
        const isInjected = hasRoom && reply.outcome === 'injected';
        if (isInjected) {
          ahead.injected(batch, reply.lastId);
          observer.injected(replay, ref.stream, batch.entries, beganAt);
        }
        await tell();
        if (isInjected) return true;
        await sleep(POLL_MS, signal);
      }
      return false;
    },
    async settle() {
      while (!signal.aborted) {
        const reply = await send(ahead.progress.injectedTo, []);
        if (reply.outcome === 'lost') return false;
        await tell();
        if (ahead.isSettled) return true;
        await sleep(POLL_MS, signal);
      }
      return false;
    },
  };
}
