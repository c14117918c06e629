import type { RunnerState } from './runner-state.ts';

/** How long to wait before looking again whether there is room. */
export const roomPatienceMs = 1_000;

/** Waits until there is room for more entries. Returns how many, or 0 if the signal aborted. */
export async function waitForRoom(
  { lanes, moved, control }: RunnerState,
  signal: AbortSignal,
  roomFor: () => number = () => lanes.room(),
): Promise<number> {
  for (;;) {
    if (signal.aborted) return 0;
    const room = control.isPaused() ? 0 : roomFor();
    if (room > 0) return room;
    await moved.wait(roomPatienceMs, signal);
  }
}
