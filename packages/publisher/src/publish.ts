import { setTimeout as delay } from 'node:timers/promises';
import { loadParkedAggregates, readPositions, requestedRetries } from '@event-bus/outbox/log';
import { formBatch } from './batch.ts';
import type { Leader } from './leader.ts';
import type { LogReader, Reading } from './log-reader.ts';
import { Parking } from './parking.ts';
import { Pipeline } from './pipeline.ts';
import { sweep } from './sweep.ts';
import type { Wakeup } from './wakeup.ts';

/**
 * What a leader does until it is told to stop: reads the log and sends it, one page ahead of what is under way; checks
 * from time to time that the streams still hold what was written; and brings back what was parked when someone asks.
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
  let ahead: Promise<Reading | undefined> | undefined;

  while (!stop.aborted) {
    leader.lost.throwIfAborted();
    const now = performance.now();
    if (now >= sweepAt || wakeup.takeSweepRequest()) {
      await pipeline.settle(0);
      await sweep(leader);
      sweepAt = performance.now() + settings.sweepMs;
    }
    if (now >= retryAt) {
      await retryParked(leader, pipeline);
      retryAt = performance.now() + settings.pollMs;
    }
    let reading = await (ahead ?? reader.next());
    ahead = undefined;
    if (reading === undefined) {
      await pipeline.settle(0);
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
    if (reading.rows.length >= settings.pageSize) ahead = readAhead(reader);
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

/** Sends parked events again that someone asked for, in order, with all that waits behind them. */
async function retryParked(leader: Leader, pipeline: Pipeline): Promise<void> {
  const { pool, settings } = leader;
  for (;;) {
    leader.lost.throwIfAborted();
    const positions = await requestedRetries(pool, settings.pageSize);
    if (positions.length === 0) return;
    await pipeline.settle(0);
    const rows = await readPositions(
      pool,
      positions.map((position) => ({ first: position, last: position })),
    );
    // These are the first of their aggregates: nothing that is parked besides stands in their way.
    leader.parking = new Parking([]);
    const { streams, parking } = leader;
    await streams.meet(rows);
    // Their rows have left the log: there is nothing to send.
    if (rows.length === 0) return;
    const reading = { rows, position: 0, noted: [], closed: [] };
    await pipeline.send(
      formBatch(reading, { ...settings, streamOf: streams.streamOf, parking, retried: true }),
    );
    await pipeline.settle(0);
    leader.parking = new Parking(await loadParkedAggregates(pool));
  }
}
