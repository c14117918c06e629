import {
  type Delivery,
  type FailureRecord,
  GroupMissingError,
  type GroupReader,
  ServerRefusedError,
} from '@event-bus/transport';
import { recallFailures } from './failures.ts';
import { type Held, toHeld } from './held.ts';
import { createOutage } from './outage.ts';
import { pause } from './pause.ts';
import { type RunnerState, releaseEntries } from './runner-state.ts';
import type { RunnerSettings } from './settings.ts';
import type { StreamSlot } from './stream-slot.ts';

/** Takes entries in hand. */
export interface Intake {
  /** Entries of a read: never seen before by this group, as far as the server remembers. */
  takeNew(slot: StreamSlot, deliveries: readonly Delivery[]): void;
  /** Entries of a claim: what is recorded of their failures is looked up, and their backoff kept. */
  takeClaimed(slot: StreamSlot, deliveries: readonly Delivery[]): Promise<void>;
}

const roomPatienceMs = 1_000;

/** Waits until there is room for more entries. Returns how many, or 0 if the signal aborted. */
export async function waitForRoom({ lanes, moved }: RunnerState, signal: AbortSignal): Promise<number> {
  for (;;) {
    if (signal.aborted) return 0;
    const room = lanes.room();
    if (room > 0) return room;
    await moved.wait(roomPatienceMs, signal);
  }
}

/** Creates the intake. `pump` is called when something may start. */
export function createIntake(
  state: RunnerState,
  startPositions: ReadonlyMap<string, bigint>,
  pump: () => void,
): Intake {
  const { group, lanes, acknowledger, reader, logger } = state;

  /** Stood in a stream before the group began "now": nothing to handle, whatever entry ID it has today. */
  function isBeforeStart({ fields }: Delivery): boolean {
    const start = startPositions.get(fields.source ?? '');
    return (
      start !== undefined &&
      /^\d{1,19}$/.test(fields.position ?? '') &&
      BigInt(fields.position ?? '') <= start
    );
  }

  function take(
    slot: StreamSlot,
    deliveries: readonly Delivery[],
    records: ReadonlyMap<string, FailureRecord>,
  ): void {
    const refused: Held[] = [];
    for (const delivery of deliveries) {
      const record = records.get(delivery.id);
      const held = toHeld(delivery, group.ordering, record?.attempts ?? 0);
      if (isBeforeStart(delivery)) acknowledger.add(held.id, held);
      else if (lanes.offer(held, record?.dueAt ?? 0) === 'full') refused.push(held);
    }
    if (refused.length > 0) handBack(slot, refused);
    pump();
  }

  function handBack(slot: StreamSlot, refused: readonly Held[]): void {
    slot.mayHaveMissed();
    releaseEntries(state, slot, refused).catch((error: unknown) => {
      logger.warn(
        { err: error, stream: slot.stream, entries: refused.length },
        'entries could not be handed back: they are claimed once idle',
      );
    });
  }

  return {
    takeNew: (slot, deliveries) => take(slot, deliveries, new Map()),
    async takeClaimed(slot, deliveries) {
      const { lease } = slot;
      const records = await recallFailures(reader, slot, deliveries);
      // The lease may have gone, and come again, while the records were fetched.
      if (slot.lease === lease) take(slot, deliveries, records);
      else
        handBack(
          slot,
          deliveries.map((delivery) => toHeld(delivery, group.ordering, 0)),
        );
    },
  };
}

/** Reads new entries of all live streams until the signal aborts; at most one read at a time. */
export async function readNewEntries(
  state: RunnerState,
  parts: {
    readonly slots: readonly StreamSlot[];
    readonly reader: GroupReader;
    readonly intake: Intake;
    readonly drain: AbortSignal;
  },
): Promise<void> {
  const { group, consumer, settings, lanes, logger, moved } = state;
  const { slots, reader, intake, drain } = parts;
  const outage = createOutage('reading new entries', logger);
  const ordered = group.ordering === 'aggregate';
  let turn = 0;

  while (!drain.aborted) {
    const room = await waitForRoom(state, drain);
    const live = slots.filter((slot) => slot.state === 'live' && blockMsOf(slot, settings) > 0);
    if (room === 0 || live.length === 0) {
      await moved.wait(roomPatienceMs, drain);
      continue;
    }
    // With less room than streams they take turns.
    turn += 1;
    const chosen = rotate(live, turn).slice(0, room);
    const began = new Map(chosen.map((slot) => [slot, slot.recovery]));
    const reserved = lanes.reserve(Math.min(room, settings.readCount * chosen.length));
    const count = Math.max(1, Math.min(settings.readCount, Math.floor(reserved / chosen.length)));
    try {
      const deliveries = await reader.read({
        group: group.group,
        consumer,
        streams: chosen.map(({ stream }) => stream),
        count,
        blockMs: Math.min(...chosen.map((slot) => blockMsOf(slot, settings))),
      });
      outage.recovered();
      lanes.unreserve(reserved);
      for (const slot of chosen) {
        const own = deliveries.filter(({ stream }) => stream === slot.stream);
        if (own.length === 0) continue;
        // What came to light about an ordered stream while the read was under way must be settled first.
        if (ordered && slot.recovery !== began.get(slot)) slot.mayHaveMissed();
        else intake.takeNew(slot, own);
      }
    } catch (error) {
      lanes.unreserve(reserved);
      if (error instanceof GroupMissingError) for (const slot of chosen) slot.groupMissing();
      // Entries may have been handed out in a reply that was lost.
      else if (!(error instanceof ServerRefusedError)) for (const slot of chosen) slot.mayHaveMissed();
      await pause(outage.failed(error), drain);
    }
  }
}

/**
 * A read must not outlast the lease: an entry that came after it would be passed over by the successor, who has claimed
 * all that was pending by then.
 */
function blockMsOf(slot: StreamSlot, { blockMs }: RunnerSettings): number {
  return Math.floor(Math.min(blockMs, slot.leaseUntil - performance.now() - leaseMarginMs));
}

const leaseMarginMs = 50;

function rotate<Item>(items: readonly Item[], turn: number): Item[] {
  const at = turn % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
