import { setTimeout as delay } from 'node:timers/promises';
import { assertSequenceIsAhead } from '@event-bus/outbox/log';
import { formBatch } from './batch.ts';
import type { Leader } from './leader.ts';
import type { LogReader, Reading } from './log-reader.ts';
import { Pipeline } from './pipeline.ts';
import { retryParked } from './retry-parked.ts';
import { sweep } from './sweep.ts';
import type { Wakeup } from './wakeup.ts';

/**
 * What a leader does until it is told to stop: reads the log and sends it, one page ahead of what is under way; checks
 * from time to time that the streams still hold what was written; and brings back what was parked when someone asks, a
 * page at a time beside what is new.
 * Everything under way is written and recorded when it resolves.
 */
export async function publish(
  leader: Leader,
  reader: LogReader,
  wakeup: Wakeup,
  stop: AbortSignal,
): Promise<void> {
  const { settings } = leader;
  const pipeline = new Pipeline(leader, reader);
  let sweepAt = 0;
  let retryAt = 0;
  let isRetrying = false;
  let ahead: Promise<Reading | undefined> | undefined;

  while (!stop.aborted) {
    leader.lost.throwIfAborted();
    const now = performance.now();
    if (now >= sweepAt || wakeup.takeSweepRequest()) {
      await pipeline.settle(0);
      await assertSequenceIsAhead(leader.pool);
      await sweep(leader);
      sweepAt = performance.now() + settings.sweepMs;
    }
    if (isRetrying || now >= retryAt) {
      isRetrying = await retryParked(leader, pipeline);
      retryAt = performance.now() + settings.pollMs;
    }
    let reading = await (ahead ?? reader.next());
    ahead = undefined;
    if (reading === undefined) {
      await pipeline.settle(0);
      if (isRetrying) continue;
      const longestMs = Math.max(0, Math.min(settings.pollMs, sweepAt - performance.now()));
      reading = await wakeup.sleep(() => reader.next(), longestMs, stop);
      if (reading === undefined) continue;
    }
    await leader.streams.meet(reading.rows);
    const batch = formBatch(reading, {
      ...settings,
      streamOf: leader.streams.streamOf,
      parking: leader.parking,
    });
    leader.observer.formed(batch, reader.gaps);
    for (const event of batch.parked) leader.observer.parked(event);
    if (reading.isFull) ahead = readAhead(reader);
    await pipeline.send(batch);
    if (ahead === undefined) {
      // The last of a burst: what comes within the linger shares a batch.
      await pipeline.settle(0);
      await delay(settings.lingerMs, undefined, { signal: stop }).catch(() => undefined);
    }
  }
  await ahead;
  await pipeline.settle(0);
}

function readAhead(reader: LogReader): Promise<Reading | undefined> {
  const reading = reader.next();
  // Whoever awaits it meets the error; until then it must not count as unhandled.
  reading.catch(() => undefined);
  return reading;
}
