import { GroupMissingError } from '@event-bus/transport';
import type { Feed } from './feed.ts';
import type { Intake } from './intake.ts';
import { loseExpiredLease } from './leases.ts';
import { createOutage, type Outage } from './outage.ts';
import { pause } from './pause.ts';
import { roomToClaim, waitForRoom } from './room.ts';
import { type RunnerState, releaseEntries } from './runner-state.ts';

/** Brings a feed from state to state, and takes over what others have left pending, until the signal aborts. */
export async function tendFeed(
  state: RunnerState,
  parts: { readonly feed: Feed; readonly intake: Intake; readonly drain: AbortSignal },
): Promise<void> {
  const { feed, drain } = parts;
  const { settings, logger } = state;
  const outage = createOutage(`tending ${feed.place}`, logger);

  while (!drain.aborted) {
    try {
      if (feed.state === 'standby') {
        await feed.changed.wait(settings.leaseTtlMs, drain);
      } else if (feed.state === 'missing') {
        await createGroup(state, feed);
      } else if (feed.state === 'recovering') {
        await recover(state, { ...parts, outage });
      } else {
        const began = feed.recovery;
        await claimAll(state, { ...parts, outage, minIdleMs: settings.claimIdleMs, withGivenUp: false });
        if (feed.recovery === began) await feed.changed.wait(settings.reclaimEveryMs, drain);
      }
    } catch (error) {
      if (error instanceof GroupMissingError) feed.groupMissing();
      // Entries may have been handed out in a reply that was lost.
      else feed.mayHaveMissed();
      await pause(outage.failed(error), drain);
    }
  }
}

/**
 * Always from the beginning: a group that is gone went together with what it knew, and the inbox absorbs what is
 * read again. A group that began "now" skips by position.
 */
async function createGroup(state: RunnerState, feed: Feed): Promise<void> {
  const created = (await state.reader.ensureGroup(feed, '0')) === 'created';
  if (created)
    state.logger.info({ stream: feed.place }, 'the group was created on a stream that did not have it');
  feed.groupCreated();
}

/** Takes all that is pending, oldest first, whoever holds it: nobody else has the right to this stream now. */
async function recover(state: RunnerState, parts: Tending): Promise<void> {
  const { feed } = parts;
  const began = feed.recovery;
  // What is to be claimed tells what is known of its failures, and which is given up.
  await state.failures.flush();
  state.blockers.drop(feed);
  const waiting = state.lanes.drop(({ delivery }) => feed.brought(delivery), 'waiting');
  // Not counted as deliveries: they are claimed again at once.
  await releaseEntries(state, feed, waiting);
  const lastDelivered = await state.reader.lastDelivered(feed);
  await claimAll(state, {
    ...parts,
    minIdleMs: 0,
    // What was injected has its letter already, and that holds the others.
    withGivenUp: state.group.onDeadLetter === 'hold' && feed.injected !== true,
  });
  if (!parts.drain.aborted) feed.recovered(began, lastDelivered);
}

interface Tending {
  readonly feed: Feed;
  readonly intake: Intake;
  readonly drain: AbortSignal;
  readonly outage: Outage;
}

/** Goes through the whole pending list once, as fast as there is room; ends early when the stream changes its state. */
async function claimAll(
  state: RunnerState,
  parts: Tending & { readonly minIdleMs: number; readonly withGivenUp: boolean },
): Promise<void> {
  const { feed, intake, drain, outage, minIdleMs, withGivenUp } = parts;
  const { group, lanes, reader, consumer, settings, observer, logger } = state;
  const began = feed.recovery;
  let cursor: string | null = null;
  for (;;) {
    const room = await waitForRoom(state, drain, () => roomToClaim(state, feed.injected === true));
    // Else a process that was frozen takes from its successor what is in hand there, before it knows that it has one.
    loseExpiredLease(state, state.slotOf(feed));
    if (drain.aborted || feed.recovery !== began) return;
    const reserved = lanes.reserve(Math.min(room, settings.readCount));
    if (reserved === 0) continue;
    try {
      const { maxDeliveries } = group;
      const page = await reader.claim(feed, {
        consumer,
        minIdleMs,
        count: reserved,
        maxDeliveries,
        withGivenUp,
        cursor,
      });
      outage.recovered();
      cursor = page.cursor;
      if (page.vanished.length > 0) {
        observer.vanished(feed.stream, page.vanished.length);
        logger.warn(
          { stream: feed.place, entries: page.vanished },
          'pending entries stand in their stream no longer, and were acknowledged',
        );
      }
      if (page.deliveries.length > 0) observer.claimed(feed.stream, page.deliveries.length);
      await intake.takeClaimed(feed, { ...page, began });
    } finally {
      lanes.unreserve(reserved);
    }
    if (cursor === null) return;
  }
}
