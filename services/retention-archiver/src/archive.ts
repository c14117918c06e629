import { type Retention, writeEntries } from '@event-bus/archive';
import { recordArchived } from '@event-bus/database';
import { attributeNames } from '@event-bus/telemetry/names';
import { compareEntryIds, issuedAt, type StreamEntry } from '@event-bus/transport';
import { type ArchiveTrace, createArchiveTrace } from './archive-span.ts';
import { OvertakenError, StreamChangedError } from './errors.ts';
import { readStream } from './read-stream.ts';
import { idOf, type Progress, type Sweep } from './sweep.ts';
import { createTally, type Tally } from './tally.ts';

/**
 * Archives a stream on, up to an entry ID, which is not included. Each object is recorded as soon as it is verified and its
 * last entry is seen to stand in the stream still; then `recorded` is called.
 * @throws StreamChangedError, OvertakenError
 */
export async function archive(
  sweep: Sweep,
  progress: Progress,
  below: string,
  recorded: () => Promise<void>,
): Promise<Progress> {
  const { bus, store, stream, trimmer, streams, observer, maxObjectBytes, signal } = sweep;
  const after = idOf(progress.reached);
  if (compareEntryIds(below, after) <= 0) return progress;
  const eventId = typeof progress.reached === 'string' ? undefined : progress.reached.eventId;
  let current = progress;
  const tally = createTally();
  const trace = createArchiveTrace(stream);
  const entries = watched(readStream(streams, stream, { behind: after, eventId, below }), tally, trace);
  const retention = await lockOf(sweep, below);
  for await (const object of writeEntries(store, {
    stream,
    after,
    entries,
    maxObjectBytes,
    ...(retention === undefined ? {} : { retention }),
  })) {
    const { key, description } = object;
    const { to, lastOf } = tally.upTo(description.lastId);
    const anchor = { id: to.entryId, eventId: to.eventId };
    if (!(await trimmer.bounds(stream, [], anchor)).anchored) {
      throw new StreamChangedError(stream, `the entry ${anchor.id}, just archived, is no longer there`);
    }
    if (!(await recordArchived(bus, stream, { from: current.recorded, to, lastOf }))) {
      throw new OvertakenError(stream);
    }
    current = { recorded: to, reached: anchor };
    observer.archived(stream, object);
    trace.archived(description.lastId, {
      [attributeNames.archiveKey]: key,
      [attributeNames.batchMessageCount]: description.count,
    });
    await recorded();
    signal.throwIfAborted();
  }
  return current;
}

async function* watched(
  entries: AsyncIterable<StreamEntry>,
  tally: Tally,
  trace: ArchiveTrace,
): AsyncGenerator<StreamEntry> {
  for await (const entry of entries) {
    tally.count(entry);
    trace.pass(entry);
    yield entry;
  }
}

/** As long as the youngest of these entries is to be kept. */
async function lockOf({ store, lock, policy }: Sweep, below: string): Promise<Retention | undefined> {
  if (lock === undefined || !policy.compliance) return undefined;
  if ((await store.capabilities()).objectLock === null) return undefined;
  return { mode: lock, until: new Date(issuedAt(below) + policy.coldMs) };
}
