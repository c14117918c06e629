import { setTimeout as delay } from 'node:timers/promises';
import { type StreamEntry, type StreamObserver, TransportError } from '@event-bus/transport';

const pauseMs = 200;

/** An entry and the stream it stands in. */
export interface FollowedEntry extends StreamEntry {
  readonly stream: string;
}

/**
 * Yields entries of several streams as they come, those that are there together ordered by time; within a stream
 * always in its order. Goes on while the server is away. Ends when the signal aborts.
 * @param from the newest `last` of what stands there already, or all since an instant.
 * @param onAway told when the server stops answering; not again until it has answered.
 */
export async function* followStreams(
  observer: StreamObserver,
  streams: readonly string[],
  options: {
    readonly from: { readonly last: number } | { readonly sinceMs: number };
    readonly signal: AbortSignal;
    readonly onAway: (error: TransportError) => void;
  },
): AsyncGenerator<FollowedEntry> {
  const { from, signal, onAway } = options;
  const reached = new Map<string, string>();
  const advance = (entries: readonly FollowedEntry[]) => {
    for (const { stream, id } of entries) reached.set(stream, id);
    return inOrder(entries);
  };

  if ('sinceMs' in from) {
    for (const stream of streams) reached.set(stream, lastIdBefore(from.sinceMs));
  } else {
    const newest = await fromAll(streams, async (stream) => {
      // One at least, since new is what comes after it.
      const entries = await observer.newest(stream, Math.max(1, from.last));
      reached.set(stream, entries.at(-1)?.id ?? '0-0');
      return entries;
    });
    if (from.last > 0) yield* inOrder(newest).slice(-from.last);
  }

  let isAway = false;
  while (!signal.aborted) {
    try {
      const entries = await fromAll(streams, (stream) =>
        observer.follow(stream, reached.get(stream) ?? '0-0', 0),
      );
      isAway = false;
      yield* advance(entries);
      if (entries.length > 0) continue;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      if (!isAway) onAway(error);
      isAway = true;
    }
    await delay(pauseMs, undefined, { signal }).catch(() => 'aborted: the loop ends');
  }
}

async function fromAll(
  streams: readonly string[],
  read: (stream: string) => Promise<readonly StreamEntry[]>,
): Promise<FollowedEntry[]> {
  const found = await Promise.all(
    streams.map(async (stream) => (await read(stream)).map((entry) => ({ ...entry, stream }))),
  );
  return found.flat();
}

function inOrder(entries: readonly FollowedEntry[]): FollowedEntry[] {
  return [...entries].sort((a, b) => Number(a.id.split('-')[0]) - Number(b.id.split('-')[0]));
}

function lastIdBefore(ms: number): string {
  return ms <= 0 ? '0-0' : `${ms - 1}-18446744073709551615`;
}
