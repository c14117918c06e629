import type { Held } from './held.ts';
import type { RunnerState } from './runner-state.ts';

/** How long to wait before looking again whether there is room. */
export const roomPatienceMs = 1_000;

/**
 * How many more entries to read now, of streams or of what is injected beside them. Each kind has a share of its own in
 * what may be held, so that neither keeps the other waiting, however much there is of it and however long it is retried.
 */
export function roomToRead(state: RunnerState, injected: boolean): number {
  // Asked after each event: only where there may be room is it worth looking at what is held.
  if (state.lanes.room() === 0) return 0;
  const unsent = unsentOf(state);
  const room = state.lanes.room(unsent.length);
  const held = heldOf(state, unsent, injected);
  const share = injected ? state.injectedShare : state.settings.capacity;
  return Math.max(0, Math.min(room, share - held.length, fitting(held, shareOfBytes(state, injected))));
}

/** How many more to claim: what is pending is taken in hand before anything newer, and has all the room that is left. */
export function roomToClaim(state: RunnerState, injected: boolean): number {
  if (state.lanes.room() === 0) return 0;
  const unsent = unsentOf(state);
  const room = state.lanes.room(unsent.length);
  return Math.max(0, Math.min(room, fitting(heldOf(state, unsent, injected), shareOfBytes(state, injected))));
}

function shareOfBytes({ settings }: RunnerState, injected: boolean): number {
  return injected ? settings.capacityBytes / 4 : settings.capacityBytes;
}

/**
 * What has left the lanes and is still to be acknowledged or recorded. While Redis refuses that and still gives entries out, it
 * would grow without bound.
 */
function unsentOf({ lanes, acknowledger, failures }: RunnerState): readonly Held[] {
  const unsent = [...acknowledger.pending(), ...failures.pending().map(({ held }) => held)];
  return unsent.filter(({ id }) => !lanes.holds(id));
}

function heldOf({ lanes }: RunnerState, unsent: readonly Held[], injected: boolean): readonly Held[] {
  return [...lanes.held(), ...unsent].filter(({ delivery }) => (delivery.injected === true) === injected);
}

/** How many fit beside those that are held, if they are alike: one at least, unless these are too much already. */
function fitting(held: readonly Held[], mostBytes: number): number {
  let bytes = 0;
  for (const item of held) bytes += item.bytes;
  return bytes === 0 ? Number.POSITIVE_INFINITY : Math.ceil((mostBytes - bytes) / (bytes / held.length));
}

/** Waits until there is room for more entries. Returns how many, or 0 if the signal aborted. */
export async function waitForRoom(
  { moved, control }: RunnerState,
  signal: AbortSignal,
  room: () => number,
): Promise<number> {
  for (;;) {
    if (signal.aborted) return 0;
    const free = control.isPaused() ? 0 : room();
    if (free > 0) return free;
    await moved.wait(roomPatienceMs, signal);
  }
}
