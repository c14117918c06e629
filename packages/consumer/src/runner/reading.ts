import {
  CommandRejectedError,
  GroupMissingError,
  type GroupReader,
  ServerRefusedError,
  UnknownOutcomeError,
} from '@event-bus/transport';
import type { Feed } from './feed.ts';
import type { HistoryGate } from './history.ts';
import type { Intake } from './intake.ts';
import type { KnownDuplicates } from './known-duplicates.ts';
import { createOutage } from './outage.ts';
import { pause } from './pause.ts';
import { createPortion } from './portion.ts';
import { roomPatienceMs, roomToRead, waitForRoom } from './room.ts';
import type { RunnerState } from './runner-state.ts';

/** Where new entries are read from. */
export interface Source {
  /** What reading from it is called, for people. */
  readonly reading: string;
  /** Whether its entries were injected beside the streams. */
  readonly injected: boolean;
  readonly feeds: readonly Feed[];
  /** Reads at most once at a time. */
  readonly reader: GroupReader;
  /** How many entries to ask for now. */
  readonly room: () => number;
}

/** Reads new entries of all live feeds of a source until the signal aborts; at most one read at a time. */
export async function readNewEntries(
  state: RunnerState,
  parts: {
    readonly source: Source;
    readonly intake: Intake;
    readonly duplicates: KnownDuplicates;
    readonly history: HistoryGate;
    readonly drain: AbortSignal;
  },
): Promise<void> {
  const { group, consumer, settings, lanes, logger, moved } = state;
  const { source, intake, duplicates, history, drain } = parts;
  const { feeds, reader, injected } = source;
  const outage = createOutage(source.reading, logger);
  const ordered = group.ordering === 'aggregate';
  const portion = createPortion();
  let turn = 0;

  while (!drain.aborted) {
    const room = await waitForRoom(state, drain, source.room);
    const isHeld = (feed: Feed) => !injected && history.holds(feed.stream);
    const live = feeds.filter((feed) => feed.state === 'live' && !isHeld(feed) && blockMsOf(state, feed) > 0);
    if (room === 0 || live.length === 0) {
      await moved.wait(roomPatienceMs, drain);
      continue;
    }
    // With less room than feeds they take turns, and wait for a share of the time each.
    turn += 1;
    const most = Math.min(room, portion.entries());
    const chosen = rotate(live, turn).slice(0, most);
    const began = new Map(chosen.map((feed) => [feed, feed.recovery]));
    const reserved = lanes.reserve(Math.min(most, settings.readCount * chosen.length));
    const count = Math.max(1, Math.min(settings.readCount, Math.floor(reserved / chosen.length)));
    try {
      const read = await reader.read({
        group: group.group,
        consumer,
        from: chosen,
        count,
        blockMs: Math.min(...chosen.map((feed) => blockMsOf(state, feed))) * (chosen.length / live.length),
      });
      outage.recovered();
      portion.came(read);
      for (const feed of chosen) {
        const last = read.findLast((delivery) => feed.brought(delivery));
        if (last !== undefined && feed.recovery === began.get(feed)) feed.readTo(last.id);
      }
      const deliveries = injected ? read : await duplicates.sift(read);
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
      if (error instanceof UnknownOutcomeError) portion.lost(count * chosen.length);
      // It is not said of which: that shows when the groups are to be created.
      if (error instanceof GroupMissingError || error instanceof CommandRejectedError)
        for (const feed of chosen) feed.groupMissing();
      // Entries may have been handed out in a reply that was lost, or to others.
      else if (!(error instanceof ServerRefusedError)) for (const feed of chosen) feed.mayHaveMissed();
      await pause(outage.failed(error), drain);
    }
  }
}

/** The streams, and what is injected beside them. */
export function sourcesOf(state: RunnerState, liveReader: GroupReader): readonly Source[] {
  const { feeds, reader } = state;
  const [injected = [], live = []] = [true, false].map((kind) =>
    feeds.filter((feed) => (feed.injected === true) === kind),
  );
  return [
    {
      reading: 'reading new entries',
      injected: false,
      feeds: live,
      reader: liveReader,
      room: () => roomToRead(state, false),
    },
    {
      reading: 'reading injected entries',
      injected: true,
      feeds: injected,
      reader,
      room: () => roomToRead(state, true),
    },
  ];
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
