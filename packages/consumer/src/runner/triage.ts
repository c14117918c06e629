import { blockersPollMs } from './blockers.ts';
import type { Held } from './held.ts';
import { type RunnerState, releaseSoon } from './runner-state.ts';
import type { Settling } from './settling.ts';

/**
 * Creates what looks through entries that are about to be handled, puts those aside that must not be handled here and
 * now, and what comes behind them in an ordered group, and returns the rest. In `again` it leaves when what was put aside
 * and stays in hand is due.
 *
 *     no handler here, another runner has one   handed back; in an ordered group the runner that has the lease keeps it
 *     behind an event that was given up         waits until that one is known to be dead, since it may yet be handled;
 *                                               if that one itself waits behind a dead letter, given up like it
 */
export function createTriage(
  state: RunnerState,
  settling: Settling,
): (taken: readonly Held[], again: Map<string, number>) => readonly Held[] {
  const { group, control, blockers, observer } = state;

  return (taken, again) => {
    const waiting = new Set<string>();

    function keep(held: Held, dueAt: number): false {
      again.set(held.id, dueAt);
      waiting.add(held.key);
      return false;
    }

    return taken.filter((held) => {
      if (waiting.has(held.key)) return keep(held, 0);
      const blocker = blockers.before(held);
      if (blocker?.how?.why === 'held') {
        observer.ended(held.delivery, blocker.how, 0);
        settling.giveUp(held, blocker.how);
        return false;
      }
      if (blocker !== undefined) return keep(held, Date.now() + blockersPollMs);
      if (!control.isForeign(held.delivery.fields.event_type ?? '')) return true;
      if (group.ordering === 'aggregate') return keep(held, Date.now() + foreignDelayMs);
      releaseSoon(state, [held]);
      return false;
    });
  };
}

const foreignDelayMs = 1_000;
