import { blockersPollMs, type GivenUp } from './blockers.ts';
import type { Held } from './held.ts';
import type { RunnerState } from './runner-state.ts';

/** What is to become of entries that were taken. */
export interface Triaged {
  readonly open: readonly Held[];
  /** To be given up without being handled. */
  readonly givenUp: readonly (readonly [Held, GivenUp])[];
  /** Another runner's. */
  readonly foreign: readonly Held[];
  /** By ID, when what stays in hand is due. */
  readonly again: ReadonlyMap<string, number>;
}

/**
 * Puts aside what must not be handled here and now, and what comes behind it in an ordered group.
 *
 *     no handler here, another runner has one   handed back; in an ordered group the runner that has the lease keeps it
 *     behind an event that was given up         waits until that one is known to be dead, since it may yet be handled;
 *                                               if that one itself waits behind a dead letter, given up like it
 */
export function triage(
  { group, control, blockers }: Pick<RunnerState, 'group' | 'control' | 'blockers'>,
  taken: readonly Held[],
): Triaged {
  const open: Held[] = [];
  const givenUp: (readonly [Held, GivenUp])[] = [];
  const foreign: Held[] = [];
  const again = new Map<string, number>();
  const waiting = new Set<string>();

  function wait({ id, key }: Held, ms: number): void {
    again.set(id, performance.now() + ms);
    waiting.add(key);
  }

  for (const held of taken) {
    const blocker = blockers.before(held);
    if (waiting.has(held.key)) again.set(held.id, 0);
    else if (blocker?.giveUp !== undefined) givenUp.push([held, blocker.giveUp]);
    else if (blocker !== undefined) wait(held, blockersPollMs);
    else if (!control.isForeign(held.delivery.fields.event_type ?? '')) open.push(held);
    else if (group.ordering === 'aggregate') wait(held, foreignDelayMs);
    else foreign.push(held);
  }
  return { open, givenUp, foreign, again };
}

const foreignDelayMs = 1_000;
