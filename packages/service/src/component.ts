/** The two stages of a stop. */
export interface StopSignals {
  /** Take nothing new, finish what is in hand, resolve. */
  readonly drain: AbortSignal;
  /** The time for that is over: let go of what is in hand and resolve at once. */
  readonly abort: AbortSignal;
}

/**
 * A part of a process that runs for as long as the process does. `run` resolves when it has drained, and not
 * before; a rejection stops the process. When it has settled, nothing of the component is left running.
 */
export interface Component {
  readonly name: string;
  run(signals: StopSignals): Promise<void>;
}

/** A dependency and a way to see whether it can be reached: `check` resolves if so and rejects if not. */
export interface HealthCheck {
  readonly name: string;
  check(): Promise<void>;
}
