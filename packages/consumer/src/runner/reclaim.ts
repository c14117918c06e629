import { GroupMissingError } from '@event-bus/transport';
import { type Intake, waitForRoom } from './intake.ts';
import { createOutage, type Outage } from './outage.ts';
import { pause } from './pause.ts';
import { type RunnerState, releaseEntries } from './runner-state.ts';
import type { StreamSlot } from './stream-slot.ts';

/** Brings a stream from state to state, and takes over what others have left pending, until the signal aborts. */
export async function tendStream(
  state: RunnerState,
  parts: { readonly slot: StreamSlot; readonly intake: Intake; readonly drain: AbortSignal },
): Promise<void> {
  const { slot, drain } = parts;
  const { settings, logger } = state;
  const outage = createOutage(`tending ${slot.stream}`, logger);

  while (!drain.aborted) {
    try {
      if (slot.state === 'standby') {
        await slot.changed.wait(settings.leaseTtlMs, drain);
      } else if (slot.state === 'missing') {
        await createGroup(state, slot);
      } else if (slot.state === 'recovering') {
        await recover(state, { ...parts, outage });
      } else {
        const began = slot.recovery;
        await claimAll(state, { ...parts, outage, minIdleMs: settings.claimIdleMs });
        if (slot.recovery === began) await slot.changed.wait(settings.reclaimEveryMs, drain);
      }
    } catch (error) {
      if (error instanceof GroupMissingError) slot.groupMissing();
      // Entries may have been handed out in a reply that was lost.
      else slot.mayHaveMissed();
      await pause(outage.failed(error), drain);
    }
  }
}

/**
 * Always from the beginning: a group that is gone went together with what it knew, and the inbox absorbs what is
 * read again. A group that began "now" skips by position.
 */
async function createGroup(state: RunnerState, slot: StreamSlot): Promise<void> {
  const created = (await state.reader.ensureGroup(slot, '0')) === 'created';
  if (created)
    state.logger.info({ stream: slot.stream }, 'the group was created on a stream that did not have it');
  slot.groupCreated();
}

/** Takes all that is pending, oldest first, whoever holds it: nobody else has the right to this stream now. */
async function recover(state: RunnerState, parts: Tending): Promise<void> {
  const { slot } = parts;
  const began = slot.recovery;
  const waiting = state.lanes.drop(({ delivery }) => delivery.stream === slot.stream, 'waiting');
  // Not counted as deliveries: they are claimed again at once.
  await releaseEntries(state, slot, waiting);
  await claimAll(state, { ...parts, minIdleMs: 0 });
  if (!parts.drain.aborted) slot.recovered(began);
}

interface Tending {
  readonly slot: StreamSlot;
  readonly intake: Intake;
  readonly drain: AbortSignal;
  readonly outage: Outage;
}

/** Goes through the whole pending list once, as fast as there is room; ends early when the stream changes its state. */
async function claimAll(state: RunnerState, parts: Tending & { readonly minIdleMs: number }): Promise<void> {
  const { slot, intake, drain, outage, minIdleMs } = parts;
  const { lanes, reader, consumer, settings, observer, logger } = state;
  const began = slot.recovery;
  let cursor: string | null = null;
  for (;;) {
    const room = await waitForRoom(state, drain);
    if (drain.aborted || slot.recovery !== began) return;
    const reserved = lanes.reserve(Math.min(room, settings.readCount));
    if (reserved === 0) continue;
    try {
      const page = await reader.claim(slot, { consumer, minIdleMs, count: reserved, cursor });
      outage.recovered();
      cursor = page.cursor;
      if (page.vanished.length > 0) {
        logger.warn(
          { stream: slot.stream, entries: page.vanished },
          'pending entries stand in their stream no longer',
        );
      }
      if (page.deliveries.length > 0) observer.claimed(slot.stream, page.deliveries.length);
      await intake.takeClaimed(slot, page.deliveries);
    } finally {
      lanes.unreserve(reserved);
    }
    if (cursor === null) return;
  }
}
