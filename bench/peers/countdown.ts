/** Counts events down. */
export interface Countdown {
  /** Resolves with the last of them. */
  readonly done: Promise<void>;
  one(): void;
  /**
   * Prints `begin`, once: a peer that cannot be held back once it starts is measured from its first event on. So are our
   * services.
   */
  begin(): void;
}

/** Counts so many events down. */
export function countdown(events: number): Countdown {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = events;
  let begun = false;
  return {
    done: promise,
    one() {
      left -= 1;
      if (left === 0) resolve();
    },
    begin() {
      if (!begun) console.log('begin');
      begun = true;
    },
  };
}
