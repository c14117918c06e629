import {
  type BusDatabase,
  changeReplay,
  loadReplay,
  type Replay,
  type ReplayState,
  recordAction,
} from '@event-bus/database';
import type { EntryMover } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { ReplayStateError, UnknownReplayError } from './errors.ts';

/** Who changes a replay, and why. */
export interface ReplayOrder {
  readonly operator: string;
  readonly reason: string | null;
}

/**
 * Stops a replay until it is resumed. What is injected already, a thousand events at most, is handled.
 * @throws UnknownReplayError, ReplayStateError
 */
export function pauseReplay(bus: Kysely<BusDatabase>, id: string, order: ReplayOrder): Promise<Replay> {
  return change(bus, id, order, { action: 'replay-pause', from: ['queued', 'running'], to: 'paused' });
}

/**
 * Lets a replay that was paused, or has failed, go on from where it was.
 * @throws UnknownReplayError, ReplayStateError
 */
export function resumeReplay(bus: Kysely<BusDatabase>, id: string, order: ReplayOrder): Promise<Replay> {
  return change(bus, id, order, { action: 'replay-resume', from: ['paused', 'failed'], to: 'queued' });
}

/**
 * Ends a replay for good, and takes back what is injected and nobody has read; what a runner has in its hands is handled.
 * Returns how many events were taken back. It may be repeated: after a kill, to take back the rest.
 * @throws UnknownReplayError, ReplayStateError
 */
export async function cancelReplay(
  { bus, mover }: { readonly bus: Kysely<BusDatabase>; readonly mover: EntryMover },
  id: string,
  order: ReplayOrder,
): Promise<number> {
  const from: readonly ReplayState[] = ['queued', 'running', 'paused', 'failed', 'cancelled'];
  const replay = await change(bus, id, order, { action: 'replay-cancel', from, to: 'cancelled' });
  let count = 0;
  for (const { stream } of replay.streams) {
    // What belongs to a history passes for live traffic: it cannot be told from what was redriven.
    const options = replay.kind === 'replay' ? { withdrawn: id } : {};
    count += await mover.endReplay({ stream, group: replay.group }, id, options);
  }
  return count;
}

const wishes = { paused: 'paused', queued: 'resumed', cancelled: 'cancelled' } as const;

async function change(
  bus: Kysely<BusDatabase>,
  id: string,
  { operator, reason }: ReplayOrder,
  change: {
    readonly action: 'replay-pause' | 'replay-resume' | 'replay-cancel';
    readonly from: readonly ReplayState[];
    readonly to: 'paused' | 'queued' | 'cancelled';
  },
): Promise<Replay> {
  const replay = await loadReplay(bus, id);
  if (replay === undefined) throw new UnknownReplayError(id);
  const { action } = change;
  const hasChanged = await bus.transaction().execute(async (trx) => {
    if (!(await changeReplay(trx, id, change))) return false;
    await recordAction(trx, { operator, action, group: replay.group, reason, details: { replay: id } });
    return true;
  });
  if (hasChanged) return replay;
  const { state = replay.state } = (await loadReplay(bus, id)) ?? {};
  throw new ReplayStateError(id, state, wishes[change.to]);
}
