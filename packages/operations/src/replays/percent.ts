import type { ReplayStream } from '@event-bus/database';
import { issuedAt } from '@event-bus/transport';

/** How much is injected, by the times at which the entries of the streams were published. */
export function replayPercent(streams: readonly ReplayStream[]): number {
  const shares = streams.map(({ firstId, lastId, injectedTo, isDone }) => {
    if (isDone) return 1;
    // Of a history it is not known where it begins and ends.
    if (lastId === null) return 0;
    const [first, last] = [issuedAt(firstId), issuedAt(lastId)];
    return last <= first ? 0 : Math.max(0, Math.min(1, (issuedAt(injectedTo) - first) / (last - first)));
  });
  const sum = shares.reduce((total, share) => total + share, 0);
  return streams.length === 0 ? 100 : Math.floor((100 * sum) / streams.length);
}
