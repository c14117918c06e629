import { claimReplay, endReplay, type Replay, type ReplayStream } from '@event-bus/database';
import { replayPercent } from '@event-bus/operations';
import { backoff, sleep } from '@event-bus/service';
import type { Logger } from '@event-bus/telemetry';
import { isFinal, SupersededError } from './errors.ts';
import { createPacer } from './pacer.ts';
import { type ReplayParts, replayStream } from './replay-stream.ts';

/** Works on replays. */
export interface Replayer {
  /**
   * Takes a replay over from whoever works on it, and works on it until it has ended, was stopped or was taken over, or the
   * signal aborts. `told` is called with how much of it is injected, in percent. Never rejects: what may pass is waited
   * for, and what somebody has to mend ends the replay as failed.
   */
  run(id: string, stop: AbortSignal, told: (percent: number) => void): Promise<void>;
}

/** Streams of one replay that are worked on at a time. */
const STREAMS_AT_A_TIME = 4;
const PATIENCE = { baseMs: 200, maxMs: 5_000 };

/** Creates a replayer. */
export function createReplayer(parts: ReplayParts & { readonly logger: Logger }): Replayer {
  const { bus, observer, logger } = parts;

  async function work(replay: Replay, stop: AbortSignal, told: (percent: number) => void): Promise<void> {
    const pacer = createPacer(replay.rate);
    const streams = new Map(replay.streams.map((stream) => [stream.stream, stream]));
    const moved = (stream: ReplayStream) => {
      streams.set(stream.stream, stream);
      told(replayPercent([...streams.values()]));
    };
    const open = replay.streams.filter(({ isDone }) => !isDone);
    await eachOf(open, STREAMS_AT_A_TIME, stop, (stream, signal) =>
      replayStream(parts, { replay, pacer, signal, moved }, stream),
    );
    if (!stop.aborted && (await endReplay(bus, replay, null))) ended(replay, 'done');
  }

  function ended(replay: Replay, how: 'done' | 'failed' | 'stopped', error?: unknown): void {
    observer.ended(replay, how);
    const facts = { replay: replay.id, group: replay.group, kind: replay.kind };
    if (how === 'failed')
      logger.error({ ...facts, err: error }, 'the replay failed: `bus replay resume` lets it go on');
    else logger.info(facts, how === 'done' ? 'the replay is done' : 'the replay was stopped or taken over');
  }

  return {
    async run(id, stop, told) {
      for (let tries = 0; !stop.aborted; tries += 1) {
        let replay: Replay | undefined;
        try {
          replay = await claimReplay(bus, id);
          if (replay === undefined) return;
          const { group, topic, kind } = replay;
          logger.info({ replay: id, group, topic, kind }, 'working on a replay');
          if (kind === 'history' && parts.history.store === undefined)
            logger.warn({ group }, 'there is no archive: the group begins with what is in the streams');
          return await work(replay, stop, told);
        } catch (error) {
          if (replay !== undefined && error instanceof SupersededError) return ended(replay, 'stopped');
          if (replay !== undefined && isFinal(error)) {
            if (await fail(replay, error)) return;
          } else {
            logger.warn({ replay: id, err: error }, 'a replay cannot go on for now; it is tried again');
          }
          await sleep(backoff(PATIENCE, Math.min(tries, 8)), stop);
        }
      }
    },
  };

  async function fail(replay: Replay, error: Error): Promise<boolean> {
    try {
      if (await endReplay(bus, replay, error.message)) ended(replay, 'failed', error);
      return true;
    } catch (failure) {
      logger.warn({ replay: replay.id, err: failure }, 'that a replay failed could not be noted');
      return false;
    }
  }
}

/** Does something for each item, so many at a time; the first failure stops the others, and is thrown when they have stopped. */
async function eachOf<Item>(
  items: readonly Item[],
  width: number,
  stop: AbortSignal,
  run: (item: Item, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([stop, failed.signal]);
  const left = [...items];
  const failures: unknown[] = [];
  const work = async () => {
    for (let item = left.shift(); item !== undefined && !signal.aborted; item = left.shift()) {
      try {
        await run(item, signal);
      } catch (error) {
        failures.push(error);
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  if (failures.length > 0) throw failures[0];
}
