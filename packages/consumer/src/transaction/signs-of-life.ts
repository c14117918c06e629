/** Whoever says now and again that this process lives. */
export interface SignsOfLife {
  /** From now on `give` is called again and again, until it is left out. It must not throw. */
  include(give: () => void): void;
  leaveOut(give: () => void): void;
}

/** Has all that are included give a sign every so many milliseconds: with one timer, since most end before their first. */
export function createSignsOfLife(everyMs: number): SignsOfLife {
  const included = new Set<() => void>();
  let isWaiting = false;

  function tick(): void {
    isWaiting = false;
    if (included.size === 0) return;
    for (const give of included) give();
    wait();
  }

  function wait(): void {
    if (isWaiting) return;
    isWaiting = true;
    setTimeout(tick, everyMs).unref();
  }

  return {
    include(give) {
      included.add(give);
      wait();
    },
    leaveOut: (give) => void included.delete(give),
  };
}
