/**
 * Keeps a group from burning the attempts of all its events while something that its handlers need is down.
 *
 *     closed     everything may start
 *     open       nothing starts until its pause is over
 *     half-open  a few may start: one at first, twice as many with each success
 *
 *     closed -> open       handlers of `threshold` different aggregates failed, and none succeeded in between
 *     open -> half-open    the pause is over: the first one at first, twice as long each time, up to the longest
 *     half-open -> open    handlers of `threshold` different aggregates failed, and none succeeded in between: a few
 *                          events that fail for reasons of their own must not stand in the way of those behind them
 *     half-open -> closed  as many may start as ever
 *
 *     any -> closed        nothing is to be handled here any more, so nothing could close it: it stands down
 *
 * While it is not closed, failed attempts do not count. An attempt says nothing of a time in which it did not begin: one
 * that began before the circuit opened neither opens it again nor closes it, and does not count if it fails.
 */
export interface Circuit {
  state(): 'closed' | 'open' | 'half-open';
  /** Since when it is closed, or is not, in milliseconds since the epoch, and the error that opened it last. */
  readonly since: number;
  readonly error: unknown;
  /** How many takings may run now. */
  limit(): number;
  /** How long nothing may start. 0 unless it is open. */
  pauseMs(): number;
  /** To be asked when an attempt begins, and given back with what it came to. */
  era(): number;
  /** A handler ended well. */
  succeeded(era: number): void;
  /** An attempt on this aggregate failed. Returns whether it counts. */
  failed(era: number, aggregate: string, error: unknown): boolean;
  /** Begins anew, closed, without telling of it. Returns whether it was not closed. */
  standDown(): boolean;
}

/** How a circuit behaves. */
export interface CircuitOptions {
  /** `0`: it never opens. */
  readonly threshold: number;
  readonly concurrency: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** Told of every change of state. */
  readonly onChange: (circuit: Circuit) => void;
  /** Milliseconds by a clock that nobody sets back. */
  readonly now?: () => number;
}

/** Creates a closed circuit. */
export function createCircuit(options: CircuitOptions): Circuit {
  const { threshold, concurrency, firstPauseMs, longestPauseMs, onChange } = options;
  const { now = () => performance.now() } = options;
  const failing = new Set<string>();
  let state: ReturnType<Circuit['state']> = 'closed';
  let allowed = concurrency;
  let openings = 0;
  let openUntil = 0;
  let era = 0;
  let since = Date.now();
  let lastError: unknown;

  function become(next: typeof state): void {
    if (state === 'closed' || next === 'closed') since = Date.now();
    state = next;
    failing.clear();
    onChange(circuit);
  }

  function open(error: unknown): void {
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(openings, 16));
    openings += 1;
    // Runners that were hit together do not come back together.
    openUntil = now() + pauseMs * (0.75 + Math.random() / 4);
    era += 1;
    lastError = error;
    become('open');
  }

  /** The pause of an open circuit may be over by now. */
  function look(): void {
    if (state !== 'open' || now() < openUntil) return;
    allowed = 1;
    era += 1;
    become('half-open');
  }

  const circuit: Circuit = {
    state() {
      look();
      return state;
    },
    get since() {
      return since;
    },
    get error() {
      return lastError;
    },
    limit() {
      look();
      return state === 'open' ? 0 : allowed;
    },
    pauseMs: () => (state === 'open' ? Math.max(0, openUntil - now()) : 0),
    era() {
      look();
      return era;
    },
    succeeded(began) {
      if (began !== era) return;
      failing.clear();
      if (state !== 'half-open') return;
      allowed = Math.min(concurrency, allowed * 2);
      if (allowed < concurrency) return;
      openings = 0;
      lastError = undefined;
      become('closed');
    },
    failed(began, aggregate, error) {
      if (threshold === 0) return true;
      if (began !== era) return false;
      const isHalfOpen = state === 'half-open';
      failing.add(aggregate);
      if (failing.size < threshold) return !isHalfOpen;
      open(error);
      return false;
    },
    standDown() {
      const wasClosed = state === 'closed';
      era += 1;
      allowed = concurrency;
      openings = 0;
      lastError = undefined;
      failing.clear();
      if (!wasClosed) since = Date.now();
      state = 'closed';
      return !wasClosed;
    },
  };
  return circuit;
}
