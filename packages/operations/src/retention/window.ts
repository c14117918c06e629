import type { TopicRetention } from '@event-bus/contracts';
import { idAfter, type StreamObserver, type TrimBounds } from '@event-bus/transport';

const PAGE_COUNT = 500;
/** So many entries are counted off at a time. */
const MOST_ENTRIES = 20_000;

/** What of a stream is kept in memory. */
export interface HotWindow {
  /** The lowest entry ID within it. */
  readonly from: string;
  /** More is too much than was counted off: when what lies below `from` is gone, the window begins higher. */
  readonly isPartial: boolean;
}

/**
 * The hot window of a stream: by age, and by size where the topic limits that. Of two clocks, the server's and this
 * process's, the one that is behind counts: one that runs ahead makes nothing old before its time.
 */
export async function hotWindow(
  observer: StreamObserver,
  stream: string,
  bounds: TrimBounds,
  { hotMs, hotBytes }: Pick<TopicRetention, 'hotMs' | 'hotBytes'>,
): Promise<HotWindow> {
  const byAge = Math.max(0, Math.min(bounds.nowMs, Date.now()) - hotMs);
  const excess =
    hotBytes === null || bounds.bytes <= hotBytes
      ? 0
      : Math.ceil(bounds.length * (1 - hotBytes / bounds.bytes));
  const bySize = await idBehind(observer, stream, Math.min(excess, MOST_ENTRIES));
  const from = Number(bySize.split('-')[0]) > byAge ? bySize : `${byAge}-0`;
  return { from, isPartial: excess > MOST_ENTRIES };
}

/** The ID behind the first so many entries of a stream. */
async function idBehind(observer: StreamObserver, stream: string, count: number): Promise<string> {
  let last = '';
  for (let left = count; left > 0; ) {
    const page = await observer.range(
      stream,
      last === '' ? '-' : `(${last}`,
      '+',
      Math.min(PAGE_COUNT, left),
    );
    const end = page.at(-1);
    if (end === undefined) break;
    last = end.id;
    left -= page.length;
  }
  return last === '' ? '0-0' : idAfter(last);
}
