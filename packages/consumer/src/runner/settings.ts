/** How a runner behaves towards Redis and PostgreSQL. The defaults suit handlers that take up to some seconds. */
export interface RunnerSettings {
  /**
   * Entries of a runner that has not been heard of for so long are taken over by another. What a living runner
   * holds is renewed three times as often, however long its handlers take.
   */
  readonly claimIdleMs: number;
  /** How often the pending list is searched for entries to take over. Entries handed back are found by this, too. */
  readonly reclaimEveryMs: number;
  /** Most entries per stream in one read or claim. */
  readonly readCount: number;
  /** How long a read waits for the first entry. A runner that stops waits for it. */
  readonly blockMs: number;
  /**
   * Entries held altogether: in handlers, waiting, being retried, settled and not acknowledged yet. Injected ones may come
   * on top of them, up to a quarter of what is read ahead.
   */
  readonly capacity: number;
  /**
   * The same in bytes of their values: when what is held has so many, nothing more is asked for. Injected ones may come on
   * top, a quarter as much; so may what a read and a claim bring that were under way.
   */
  readonly capacityBytes: number;
  /** To how many entries ready to start it reads ahead. Default: `readCount`, or more if many can run at once. */
  readonly readAhead?: number | undefined;
  /** Ordered groups: how long a runner may handle a stream without renewing its right to. */
  readonly leaseTtlMs: number;
  /** Acknowledgements are sent when so many wait, or the first has waited for `acknowledgeLingerMs`. */
  readonly acknowledgeCount: number;
  readonly acknowledgeLingerMs: number;
  /** When handlers fail on many aggregates in a row: the first pause before one event is tried, and the longest. */
  readonly circuitPauseMs: number;
  readonly circuitMaxPauseMs: number;
  /** How often a runner says that it is alive, and learns whether its group is paused. */
  readonly controlEveryMs: number;
  /** How long a stop tries to hand back what is held when Redis does not answer, and waits for aborted handlers. */
  readonly stopPatienceMs: number;
}

/** The settings of a runner that is told nothing else. */
export const defaultRunnerSettings: RunnerSettings = {
  claimIdleMs: 30_000,
  reclaimEveryMs: 5_000,
  readCount: 200,
  blockMs: 500,
  capacity: 5_000,
  capacityBytes: 64 * 1024 ** 2,
  leaseTtlMs: 6_000,
  acknowledgeCount: 200,
  acknowledgeLingerMs: 20,
  circuitPauseMs: 1_000,
  circuitMaxPauseMs: 30_000,
  controlEveryMs: 2_000,
  stopPatienceMs: 5_000,
};
