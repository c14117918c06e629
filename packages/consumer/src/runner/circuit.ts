/**
 * Keeps a group from burning the attempts of all its events while something that its handlers need is down.
 *
 *     closed     everything may start
 *     open       nothing starts until its pause is over
 *     half-open  a few may start: one at first, twice as many with each success
 *
 *     closed -> open       handlers of `threshold` different aggregates failed, and none succeeded in between
 *     open -> half-open    the pause is over: 1 s at first, longer with each time, see the settings
 *     half-open -> open    an attempt failed
 *     half-open -> closed  as many may start as ever
 *
 * While it is not closed, failed attempts do not count.
 */
export interface Circuit {
  state(): 'closed' | 'open' | 'half-open';
  /** Since when it is in this state, in milliseconds since the epoch, and the error that opened it. */
  readonly since: number;
  readonly error: unknown;
  /** How many takings may run now. */
  limit(): number;
  /** How long nothing may start. 0 unless it is open. */
  pauseMs(): number;
  /** A handler ended well. */
  succeeded(): void;
  /** An attempt on this aggregate failed. */
  failed(aggregate: string, error: unknown): void;
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
}

/** Creates a closed circuit. */
export function createCircuit(options: CircuitOptions): Circuit {
  const { threshold, concurrency, firstPauseMs, longestPauseMs, onChange } = options;
  const failing = new Set<string>();
  let allowed = concurrency;
  let isOpen = false;
  let pauses = 0;
  let openUntil = 0;
  let since = Date.now();
  let lastError: unknown;

  function change(): void {
    since = Date.now();
    onChange(circuit);
  }

  function open(error: unknown): void {
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(pauses, 16));
    pauses += 1;
    // Runners that were hit together do not come back together.
    openUntil = performance.now() + pauseMs * (0.75 + Math.random() / 4);
    isOpen = true;
    allowed = 1;
    lastError = error;
    change();
  }

  /** The pause of an open circuit may be over by now. */
  function look(): void {
    if (!isOpen || performance.now() < openUntil) return;
    isOpen = false;
    change();
  }

  const circuit: Circuit = {
    state() {
      look();
      if (isOpen) return 'open';
      return allowed < concurrency || pauses > 0 ? 'half-open' : 'closed';
    },
    get since() {
      return since;
    },
    get error() {
      return lastError;
    },
    limit() {
      look();
      return isOpen ? 0 : allowed;
    },
    pauseMs: () => (isOpen ? Math.max(0, openUntil - performance.now()) : 0),
    succeeded() {
      failing.clear();
      // What began before it opened says nothing of the time since.
      if (isOpen || pauses === 0) return;
      allowed = Math.min(concurrency, allowed * 2);
      if (allowed < concurrency) return;
      pauses = 0;
      lastError = undefined;
      change();
    },
    failed(aggregate, error) {
      if (threshold === 0 || isOpen) return;
      if (pauses > 0) return open(error);
      failing.add(aggregate);
      if (failing.size >= threshold) open(error);
    },
  };
  return circuit;
}
