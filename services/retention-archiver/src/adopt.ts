import {
  DamagedObjectError,
  findCoverage,
  MissingObjectError,
  ObjectMissingError,
  readEntries,
  UnknownFormatError,
} from '@event-bus/archive';
import { recordArchived } from '@event-bus/database';
import { compareEntryIds, idAfter } from '@event-bus/transport';
import { createArchiveTrace } from './archive-span.ts';
import { OvertakenError } from './errors.ts';
import { idOf, type Progress, type Sweep } from './sweep.ts';
import { createTally } from './tally.ts';

const UNREADABLE = [DamagedObjectError, MissingObjectError, ObjectMissingError, UnknownFormatError];

/**
 * Takes over objects of which nobody recorded that they are there, since whoever wrote them was killed, or because the
 * database went back in time. They are read whole, and count only if the last entry of them stands in the stream: then all
 * before it is what was archived. What cannot be taken over is archived again.
 */
export async function adopt(sweep: Sweep, progress: Progress): Promise<Progress> {
  const { bus, store, stream, trimmer, observer } = sweep;
  const after = idOf(progress.reached);
  try {
    const { upTo } = await findCoverage(store, { stream, after });
    if (compareEntryIds(upTo, after) <= 0) return progress;
    const tally = createTally();
    const trace = createArchiveTrace(stream);
    for await (const entry of readEntries(store, { stream, from: idAfter(after), to: upTo })) {
      tally.count(entry);
      trace.pass(entry);
    }
    const { to, lastOf } = tally.upTo(upTo);
    const anchor = { id: to.entryId, eventId: to.eventId };
    if (to.entryId !== upTo || !(await trimmer.bounds(stream, [], anchor)).anchored) return progress;
    if (!(await recordArchived(bus, stream, { from: progress.recorded, to, lastOf }))) {
      throw new OvertakenError(stream);
    }
    observer.adopted(stream, to.entryId);
    trace.archived(to.entryId);
    return { recorded: to, reached: anchor };
  } catch (error) {
    if (!UNREADABLE.some((kind) => error instanceof kind)) throw error;
    observer.failed(stream, error);
    return progress;
  }
}
