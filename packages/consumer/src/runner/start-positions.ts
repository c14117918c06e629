import { type PositionRange, type StartPosition, standsBefore } from '@event-bus/database';
import type { Logger } from '@event-bus/telemetry';
import type { StreamObserver, WriterMark } from '@event-bus/transport';

/** How far the look goes. */
export interface LookBack {
  /** How many of the newest entries, all streams of the group together; at least a page of each. */
  readonly entries: number;
  /** How many of them at a time. */
  readonly page: number;
  /** Most ranges of missing positions that are remembered per source: the newest. */
  readonly ranges: number;
}

const lookBack: LookBack = { entries: 20_000, page: 200, ranges: 2_000 };

/** Start positions by source. */
export type StartPositions = ReadonlyMap<string, StartPosition>;

/** What the streams hold of one source. */
interface Held {
  newest: bigint;
  /** From here on, what is not among `positions` is in no stream. */
  from: bigint;
  readonly positions: Set<bigint>;
}

/**
 * Looks up what stands in the streams now, by source: the last position, and which of those below it stand in none of
 * them. Such an event is still to come, if its transaction commits late, or it is parked, or the publisher has written
 * to other streams first. They are told for as far back as the newer half of what is looked at of each stream reaches;
 * whatever is older passes for having been there.
 */
export async function readStartPositions(
  names: readonly string[],
  streams: StreamObserver,
  logger: Logger,
  { entries, page, ranges } = lookBack,
): Promise<Map<string, StartPosition>> {
  const bySource = new Map<string, Held>();
  const share = Math.max(page, Math.ceil(entries / names.length));
  for (const name of names) {
    const { writers } = await streams.stream(name);
    const { positions, isWhole } = await readTail(streams, name, share, page);
    for (const source of new Set([...writers.keys(), ...positions.keys()])) {
      const own = positions.get(source) ?? (await markedPosition(streams, name, writers.get(source)));
      if (own.length === 0) {
        logger.warn(
          { stream: name, source },
          'no event of this source is found in the stream: the group, which is to start now, handles it from its beginning',
        );
        continue;
      }
      const held = bySource.get(source) ?? { newest: 0n, from: 1n, positions: new Set() };
      bySource.set(source, held);
      for (const position of own) held.positions.add(position);
      held.newest = highest([held.newest, ...own]);
      // What was not looked at lies below the highest position of the older half, unless all of that had come late.
      const olderHalf = own.slice(Math.floor(own.length / 2));
      if (!isWhole) held.from = highest([held.from, highest(olderHalf) + 1n]);
    }
  }
  return new Map([...bySource].map(([source, held]) => [source, toStart(held, ranges)]));
}

/** Whether an event stood in the streams when the group began: nothing to handle, whatever entry ID it has today. */
export function isBeforeStart(
  starts: StartPositions,
  { source = '', position = '' }: Readonly<Record<string, string>>,
): boolean {
  const start = starts.get(source);
  if (start === undefined || !/^\d{1,19}$/.test(position)) return false;
  return standsBefore(start, BigInt(position));
}

/** The positions of a stream's newest entries by source, the newest first. */
async function readTail(
  streams: StreamObserver,
  name: string,
  count: number,
  page: number,
): Promise<{ readonly positions: ReadonlyMap<string, bigint[]>; readonly isWhole: boolean }> {
  const positions = new Map<string, bigint[]>();
  let before: string | undefined;
  for (let seen = 0; seen < count; seen += page) {
    const entries = await streams.newest(name, page, before);
    for (const { fields } of entries.toReversed()) {
      const { source = '' } = fields;
      const own = positions.get(source) ?? [];
      own.push(...positionOf(fields));
      if (own.length > 0) positions.set(source, own);
    }
    before = entries[0]?.id;
    if (entries.length < page) return { positions, isWhole: true };
  }
  return { positions, isWhole: false };
}

/** The position of a source's marked entry, if it stands: other sources may have written much since. */
async function markedPosition(
  streams: StreamObserver,
  name: string,
  mark: WriterMark | undefined,
): Promise<bigint[]> {
  if (mark === undefined) return [];
  const [entry] = await streams.range(name, mark.entryId, mark.entryId, 1);
  return entry?.fields.event_id === mark.eventId ? positionOf(entry.fields) : [];
}

function positionOf({ position = '' }: Readonly<Record<string, string>>): bigint[] {
  return /^[1-9]\d{0,18}$/.test(position) ? [BigInt(position)] : [];
}

function toStart({ newest, from, positions }: Held, ranges: number): StartPosition {
  const missing: PositionRange[] = [];
  let next = from;
  for (const position of [...positions].filter((p) => p >= from).sort((a, b) => (a < b ? -1 : 1))) {
    if (position > next) missing.push({ first: next, last: position - 1n });
    next = position + 1n;
  }
  return { position: newest, missing: missing.slice(-ranges) };
}

function highest(positions: readonly bigint[]): bigint {
  let most = 0n;
  for (const position of positions) if (position > most) most = position;
  return most;
}
