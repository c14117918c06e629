import { loadRetention, type StreamRetention } from '@event-bus/database';
import { hotWindow } from '@event-bus/operations';
import { compareEntryIds, type TrimBounds } from '@event-bus/transport';
import { adopt } from './adopt.ts';
import { archive } from './archive.ts';
import { nameOf, type Progress, type Sweep, type SweepParts, type SweptStream } from './sweep.ts';
import { trim } from './trim.ts';

const HOUR_MS = 3_600_000;

/**
 * One sweep of one stream: finds how far the archive and the stream agree, archives what is old enough from there on, and
 * trims what is archived and needed by nobody, object by object. Everything it goes by is looked up anew, so it
 * can be killed anywhere, run beside itself, and lose whatever its jobs know.
 *
 *     agree up to ─▶ adopt objects that nobody recorded ─▶ archive an object ─▶ record ─▶ trim
 *                                                               ▲                          │
 *                                                               └──────────────────────────┘
 *
 * @returns whether the next sweep would get further at once: more takes up memory than may go in one.
 * @throws StreamChangedError, OvertakenError the next sweep begins where this one should have ended.
 */
export async function sweepStream(
  parts: SweepParts,
  swept: SweptStream,
  signal: AbortSignal,
): Promise<boolean> {
  const { bus, streams, trimmer } = parts;
  const { stream, policy } = swept;
  const retention = await loadRetention(bus, stream);
  const bounds = await trimmer.bounds(stream, [], nameOf(retention?.archived ?? null));
  if (bounds.length === 0) return false;

  const { from, isPartial } = await hotWindow(streams, stream, bounds, policy);
  const sweep: Sweep = { ...parts, ...swept, windowFrom: from, signal };
  const found = agreement(sweep, retention, bounds);
  const adopted = await adopt(sweep, found);
  const archived = await archive(sweep, adopted, archiveBelow(sweep, bounds), () => trim(sweep));
  if (typeof archived.reached !== 'string') await trim(sweep);
  if (!isPartial) return false;
  // What a group or the archive keeps it would find again, and nothing else.
  const { firstId } = await trimmer.bounds(stream, []);
  return firstId !== null && compareEntryIds(firstId, from) >= 0;
}

/**
 * What is recorded holds if its last entry stands, or was trimmed, which the stream says itself. Otherwise the stream went
 * back in time behind it: what stands there now is archived anew, from up to where it was trimmed.
 */
function agreement(
  { stream, observer }: Sweep,
  retention: StreamRetention | undefined,
  { anchored, trimmedTo, firstId }: TrimBounds,
): Progress {
  const recorded = retention?.archived ?? null;
  if (recorded !== null && anchored)
    return { recorded, reached: { id: recorded.entryId, eventId: recorded.eventId } };
  if (recorded !== null && trimmedTo !== null && compareEntryIds(recorded.entryId, trimmedTo) <= 0) {
    return { recorded, reached: trimmedTo };
  }
  const known = [trimmedTo, retention?.trimmedTo ?? null].filter(
    (id) => id !== null && firstId !== null && compareEntryIds(id, firstId) < 0,
  );
  const reached = known.reduce<string>(
    (highest, id) => (id !== null && compareEntryIds(id, highest) > 0 ? id : highest),
    '0-0',
  );
  if (recorded !== null) observer.wentBack(stream, recorded.entryId, reached);
  return { recorded, reached };
}

/** The lowest ID that is not archived yet: hours that are over, and whatever has left the hot window. */
function archiveBelow({ archiveAfterMs, windowFrom: from }: Sweep, { nowMs }: TrimBounds): string {
  const now = Math.min(nowMs, Date.now());
  const hour = Math.max(0, Math.floor((now - archiveAfterMs) / HOUR_MS) * HOUR_MS);
  return compareEntryIds(from, `${hour}-0`) > 0 ? from : `${hour}-0`;
}
