import { TransportClosedError } from '../errors.ts';
import type { MemoryState } from './state.ts';

/** What a writer, a reader or an observer holds open. */
export interface Session {
  /** @throws TransportClosedError */
  assertOpen(): void;
  /**
   * Repeats the look, each time something has changed, until it finds something or `blockMs` have passed.
   * @throws TransportClosedError it was closed meanwhile.
   */
  wait<Found>(look: () => Found[], blockMs: number): Promise<Found[]>;
  close(): Promise<void>;
}

/** Opens a session on a broker's state. */
export function openSession(state: MemoryState, role: string): Session {
  const ending = new AbortController();

  function assertOpen(): void {
    if (ending.signal.aborted) throw new TransportClosedError(`the ${role} was closed by this process`);
  }

  function change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        clearTimeout(timer);
        state.waiting.delete(look);
        ending.signal.removeEventListener('abort', look);
        resolve();
      };
      const timer = setTimeout(look, withinMs);
      state.waiting.add(look);
      ending.signal.addEventListener('abort', look);
    });
  }

  return {
    assertOpen,
    async wait(look, blockMs) {
      const deadline = performance.now() + blockMs;
      for (;;) {
        assertOpen();
        const found = look();
        const leftMs = deadline - performance.now();
        if (found.length > 0 || leftMs <= 0) return found;
        await change(leftMs);
      }
    },
    async close() {
      ending.abort();
    },
  };
}
