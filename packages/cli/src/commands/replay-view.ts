import type { Replay } from '@event-bus/database';

/** How many events a replay has looked at, injected, and had settled; those that came again count again. */
export function countsOf({ streams }: Replay): Readonly<Record<'scanned' | 'injected' | 'handled', number>> {
  const sum = (name: 'scanned' | 'injected' | 'handled') =>
    streams.reduce((total, stream) => total + stream[name], 0);
  return { scanned: sum('scanned'), injected: sum('injected'), handled: sum('handled') };
}
