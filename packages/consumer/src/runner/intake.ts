import {
  type Delivery,
  type FailureRecord,
  GroupMissingError,
  type GroupReader,
  ServerRefusedError,
  type StreamEntry,
} from '@event-bus/transport';
import type { Feed } from './feed.ts';
import { type Held, toHeld } from './held.ts';
import { createOutage } from './outage.ts';
import { pause } from './pause.ts';
import { recallFailures } from './recall.ts';
import { type RunnerState, releaseEntries } from './runner-state.ts';
import type { RunnerSettings } from './settings.ts';

/** Takes entries in hand. */
export interface Intake {
  /** Entries of a read: never seen before by this group, as far as the server remembers. */
  takeNew(feed: Feed, deliveries: readonly Delivery[]): void;
  /**
   * Entries of a claim: what is recorded of their failures is looked up, and their backoff kept. In groups that hold,
   * those that were left alone keep their aggregates.
   */
  takeClaimed(feed: Feed, deliveries: readonly Delivery[], givenUp: readonly StreamEntry[]): Promise<void>;
}

const roomPatienceMs = 1_000;

/** Waits until there is room for more entries. Returns how many, or 0 if the signal aborted. */
export async function waitForRoom(
  { lanes, moved, control }: RunnerState,
  signal: AbortSignal,
): Promise<number> {
  for (;;) {
    if (signal.aborted) return 0;
    const room = control.isPaused() ? 0 : lanes.room();
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
  const { group, lanes, acknowledger, reader, slotOf, logger } = state;

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
    feed: Feed,
    deliveries: readonly Delivery[],
    records: ReadonlyMap<string, FailureRecord>,
  ): void {
    const refused: Held[] = [];
    for (const delivery of deliveries) {
      const record = records.get(delivery.id);
      const held = toHeld(delivery, group, record);
      if (delivery.injected !== true && isBeforeStart(delivery)) acknowledger.add(held.id, held);
      else if (lanes.offer(held, record?.dueAt ?? 0) === 'full') refused.push(held);
    }
    if (refused.length > 0) handBack(feed, refused);
    pump();
  }

  function handBack(feed: Feed, refused: readonly Held[]): void {
    feed.mayHaveMissed();
    releaseEntries(state, feed, refused).catch((error: unknown) => {
      logger.warn(
        { err: error, stream: feed.place, entries: refused.length },
        'entries could not be handed back: they are claimed once idle',
      );
    });
  }

  return {
    takeNew: (feed, deliveries) => take(feed, deliveries, new Map()),
    async takeClaimed(feed, deliveries, givenUp) {
      const slot = slotOf(feed);
      const { lease } = slot;
      const left = givenUp.map((entry): Delivery => ({ ...entry, ...placeOf(feed), deliveries: 0 }));
      const records = await recallFailures(reader, feed, [...deliveries, ...left]);
      // The lease may have gone, and come again, while the records were fetched.
      if (slot.lease !== lease) {
        handBack(
          feed,
          deliveries.map((delivery) => toHeld(delivery, group)),
        );
        return;
      }
      for (const delivery of left)
        records.set(delivery.id, givenUpRecord(records.get(delivery.id), delivery));
      take(feed, [...left, ...deliveries], records);
    },
  };
}

function placeOf({ stream, injected }: Feed): Pick<Delivery, 'stream' | 'injected'> {
  return injected === true ? { stream, injected } : { stream };
}

/** What was handed out too often has no record that says so. */
function givenUpRecord(record: FailureRecord | undefined, delivery: Delivery): FailureRecord {
  const unknown = {
    attempts: 0,
    error: '',
    stack: '',
    history: [],
    firstDeliveredAt: Date.now(),
    failedAt: Date.now(),
  };
  return {
    ...unknown,
    ...record,
    eventId: delivery.fields.event_id ?? '',
    kind: record?.kind ?? 'crashed',
    reason: record?.reason ?? 'its processes died with it in hand',
    final: true,
    dueAt: 0,
  };
}

/** Reads new entries of all live feeds until the signal aborts; at most one read at a time. */
export async function readNewEntries(
  state: RunnerState,
  parts: { readonly reader: GroupReader; readonly intake: Intake; readonly drain: AbortSignal },
): Promise<void> {
  const { group, consumer, settings, lanes, feeds, logger, moved } = state;
  const { reader, intake, drain } = parts;
  const outage = createOutage('reading new entries', logger);
  const ordered = group.ordering === 'aggregate';
  let turn = 0;

  while (!drain.aborted) {
    const room = await waitForRoom(state, drain);
    const live = feeds.filter(
      (feed) => feed.state === 'live' && blockMsOf(state, feed) > 0 && isWanted(state, feed),
    );
    if (room === 0 || live.length === 0) {
      await moved.wait(roomPatienceMs, drain);
      continue;
    }
    // With less room than feeds they take turns.
    turn += 1;
    const chosen = rotate(live, turn).slice(0, room);
    const began = new Map(chosen.map((feed) => [feed, feed.recovery]));
    const reserved = lanes.reserve(Math.min(room, settings.readCount * chosen.length));
    const count = Math.max(1, Math.min(settings.readCount, Math.floor(reserved / chosen.length)));
    try {
      const deliveries = await reader.read({
        group: group.group,
        consumer,
        from: chosen,
        count,
        blockMs: Math.min(...chosen.map((feed) => blockMsOf(state, feed))),
      });
      outage.recovered();
      lanes.unreserve(reserved);
      for (const feed of chosen) {
        const own = deliveries.filter((delivery) => feed.brought(delivery));
        if (own.length === 0) continue;
        // What came to light about an ordered stream while the read was under way must be settled first.
        if (ordered && feed.recovery !== began.get(feed)) feed.mayHaveMissed();
        else intake.takeNew(feed, own);
      }
    } catch (error) {
      lanes.unreserve(reserved);
      if (error instanceof GroupMissingError) for (const feed of chosen) feed.groupMissing();
      // Entries may have been handed out in a reply that was lost.
      else if (!(error instanceof ServerRefusedError)) for (const feed of chosen) feed.mayHaveMissed();
      await pause(outage.failed(error), drain);
    }
  }
}

/** Live traffic goes on beside a replay: what is injected never fills more than a part of the lanes. */
function isWanted({ lanes, settings }: RunnerState, feed: Feed): boolean {
  if (feed.injected !== true) return true;
  const injected = lanes.held().filter(({ delivery }) => feed.brought(delivery)).length;
  return injected < settings.readCount / 2;
}

/**
 * A read must not outlast the lease: an entry that came after it would be passed over by the successor, who has claimed
 * all that was pending by then.
 */
function blockMsOf({ slotOf, settings }: RunnerState, feed: Feed): number {
  return Math.floor(Math.min(settings.blockMs, slotOf(feed).leaseUntil - performance.now() - leaseMarginMs));
}

const leaseMarginMs = 50;

function rotate<Item>(items: readonly Item[], turn: number): Item[] {
  const at = turn % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
