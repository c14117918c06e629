import type { StreamRetention } from '@event-bus/database';
import { compareEntryIds, idAfter, type TrimBounds } from '@event-bus/transport';

/**
 * Why entries of a stream stay:
 *
 * - `window`: they are younger than the hot window.
 * - `archive`: they are not verified in the archive.
 * - `group`: a group has not settled them, or is registered and missing on the server.
 * - `writer`: a source wrote its last event there, by which its publisher recognises the stream.
 */
export interface TrimTerm {
  readonly kind: 'window' | 'archive' | 'group' | 'writer';
  /** Of the group or the source; empty for the others. */
  readonly name: string;
  /** The lowest entry ID that has to stay for this; `0-0` keeps everything. */
  readonly keepFrom: string;
  /** For people. */
  readonly why: string;
}

const EVERYTHING = '0-0';

/**
 * All that stands against trimming a stream, the strictest first: that one binds.
 * @param windowFrom the lowest ID within the hot window.
 */
export function trimTerms(
  bounds: TrimBounds,
  retention: StreamRetention | undefined,
  windowFrom: string,
): TrimTerm[] {
  const isBehindAll = (id: string) => bounds.lastId === null || compareEntryIds(id, bounds.lastId) > 0;
  const terms: TrimTerm[] = [
    archiveTerm(bounds, retention),
    { kind: 'window', name: '', keepFrom: windowFrom, why: 'younger than the hot window' },
  ];
  for (const [name, position] of bounds.groups) {
    const term = { kind: 'group', name } as const;
    if (position === null) {
      terms.push({ ...term, keepFrom: EVERYTHING, why: 'registered, but missing on the server' });
    } else if (position.oldestPendingId !== null) {
      terms.push({ ...term, keepFrom: position.oldestPendingId, why: 'its oldest pending entry' });
    } else {
      const keepFrom = idAfter(position.lastDeliveredId);
      terms.push({ ...term, keepFrom, why: isBehindAll(keepFrom) ? 'all is settled' : 'not handed out yet' });
    }
  }
  for (const [name, { entryId }] of bounds.writers) {
    terms.push({ kind: 'writer', name, keepFrom: entryId, why: 'the last entry of this source' });
  }
  return terms.sort((a, b) => compareEntryIds(a.keepFrom, b.keepFrom));
}

function archiveTerm(
  { anchored, trimmedTo, lastId }: TrimBounds,
  retention: StreamRetention | undefined,
): TrimTerm {
  const archived = retention?.archived ?? null;
  const term = { kind: 'archive', name: '' } as const;
  if (archived === null) return { ...term, keepFrom: EVERYTHING, why: 'nothing is archived yet' };
  const isTrimmed = trimmedTo !== null && compareEntryIds(archived.entryId, trimmedTo) <= 0;
  if (anchored || isTrimmed) {
    const isAll = lastId === null || compareEntryIds(lastId, archived.entryId) <= 0;
    const why = isAll ? 'all is archived' : 'not archived yet';
    return { ...term, keepFrom: idAfter(archived.entryId), why };
  }
  return {
    ...term,
    keepFrom: EVERYTHING,
    why: 'the stream went back in time behind what is archived, and is archived anew',
  };
}
