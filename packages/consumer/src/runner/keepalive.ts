import { GroupMissingError } from '@event-bus/transport';
import type { Feed } from './feed.ts';
import type { Held } from './held.ts';
import { createOutage } from './outage.ts';
import { pause } from './pause.ts';
import type { RunnerState } from './runner-state.ts';

const chunkSize = 500;

/**
 * Keeps all that is held claimed until the signal aborts: in handlers, waiting, being retried, and settled but
 * not acknowledged yet. What is found to be another's by now is not started any more; what runs goes on, and the
 * inbox decides.
 */
export async function keepClaimed(state: RunnerState, stop: AbortSignal): Promise<void> {
  const { feeds, settings, logger } = state;
  const outage = createOutage('keeping entries claimed', logger);
  const everyMs = settings.claimIdleMs / 3;
  let waitMs = everyMs;
  while (!stop.aborted) {
    await pause(waitMs, stop);
    if (stop.aborted) return;
    const beganAt = performance.now();
    try {
      for (const feed of feeds) await keepFeed(state, feed);
      outage.recovered();
      // What it takes belongs to the interval: under load it must not grow beyond the idle time.
      waitMs = Math.max(everyMs / 10, everyMs - (performance.now() - beganAt));
    } catch (error) {
      waitMs = Math.min(everyMs, outage.failed(error));
    }
  }
}

async function keepFeed(state: RunnerState, feed: Feed): Promise<void> {
  const { lanes, acknowledger, failures, logger } = state;
  const ordered = state.group.ordering === 'aggregate';
  const held = [
    ...lanes.held(),
    ...acknowledger.pending(),
    ...failures.pending().map((failure) => failure.held),
  ].filter((item) => feed.brought(item.delivery));
  for (let from = 0; from < held.length; from += chunkSize) {
    const chunk = held.slice(from, from + chunkSize);
    const kept = await keepEntries(state, feed, chunk);
    const lost = chunk.filter(({ id, delivery }) => !kept.has(delivery.id) && lanes.isWaiting(id));
    if (lost.length === 0) continue;
    logger.warn(
      { stream: feed.place, entries: lost.length },
      'entries that waited here are held by others or gone',
    );
    const ids = new Set(lost.map(({ id }) => id));
    // What stands behind a lost entry of an ordered stream must not overtake it: the stream is taken up again from
    // its oldest pending entry.
    lanes.drop(({ id, delivery }) => (ordered ? feed.brought(delivery) : ids.has(id)), 'waiting');
    feed.mayHaveMissed();
    if (ordered) return;
  }
}

/** Returns the entry IDs that are still this runner's. */
async function keepEntries(
  { reader, consumer }: RunnerState,
  feed: Feed,
  entries: readonly Held[],
): Promise<Set<string>> {
  const ids = entries.map(({ delivery }) => delivery.id);
  try {
    return new Set(await reader.keep(feed, consumer, ids));
  } catch (error) {
    if (!(error instanceof GroupMissingError)) throw error;
    feed.groupMissing();
    return new Set();
  }
}
