import { findParkedAggregates, readPositions, requestedRetries } from '@event-bus/outbox/log';
import { formBatch } from './batch.ts';
import type { Leader } from './leader.ts';
import type { Pipeline } from './pipeline.ts';

/**
 * Sends a page of the parked events again that someone asked for, in order, with what waits behind them, and says whether
 * there may be more. Until all of an aggregate is through, what is new of it waits. An event that is no longer in the log
 * can never be written: it is forgotten, and its aggregate goes on without it.
 */
export async function retryParked(leader: Leader, pipeline: Pipeline): Promise<boolean> {
  const { pool, settings, streams, observer, parking } = leader;
  const requested = await requestedRetries(pool, settings.pageSize);
  if (requested.length === 0) return false;
  await pipeline.settle(0);
  const { rows, isFull } = await readPositions(
    pool,
    requested.map(({ position }) => ({ first: position, last: position })),
    settings,
  );
  const reached = (isFull ? rows.at(-1)?.position : undefined) ?? Number.POSITIVE_INFINITY;
  const found = new Set(rows.map((row) => row.position));
  const gone = requested.filter(({ position }) => position <= reached && !found.has(position));
  for (const event of gone) observer.forgotten(event);
  // These are the first of their aggregates: nothing that is parked besides stands in their way.
  parking.release(requested);
  await streams.meet(rows);
  const batch = formBatch(
    { rows, position: 0, noted: [], closed: [], isFull },
    { ...settings, streamOf: streams.streamOf, parking, retried: true },
  );
  batch.unparked = [...batch.unparked, ...gone.map(({ position }) => position)];
  await pipeline.send(batch);
  await pipeline.settle(0);
  parking.hold(await findParkedAggregates(pool, requested));
  return true;
}
