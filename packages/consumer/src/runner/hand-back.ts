import type { Feed } from './feed.ts';
import type { LeaseStore } from './leases.ts';
import { pause, within } from './pause.ts';
import { type RunnerState, releaseEntries } from './runner-state.ts';

const chunkSize = 500;
const retryMs = 100;

/**
 * Leaves nothing behind: acknowledges what is settled, records what failed, hands back what waits so that the
 * next runner has it at once, and removes the consumer's name and the leases. Tries for as long as its patience
 * lasts; what was not to be done by then is logged, and found by others when it has been idle for long enough.
 */
export async function handBack(state: RunnerState, leases: LeaseStore | undefined): Promise<void> {
  const { slots, feeds, lanes, control, acknowledger, failures, reader, consumer, logger, settings } = state;
  const deadline = performance.now() + settings.stopPatienceMs;
  const released = new Set<string>();

  async function releaseWaiting(feed: Feed): Promise<void> {
    const waiting = lanes
      .held()
      .filter(({ id, delivery }) => feed.brought(delivery) && lanes.isWaiting(id) && !released.has(id));
    for (let from = 0; from < waiting.length; from += chunkSize) {
      const chunk = waiting.slice(from, from + chunkSize);
      await releaseEntries(state, feed, chunk);
      for (const { id } of chunk) released.add(id);
    }
  }

  /** The steps in their order: nothing may be pending under the name when it is removed. */
  const steps: [string, () => Promise<unknown>][] = [
    ['acknowledge what is settled', () => acknowledger.flush()],
    ['record failures', () => failures.flush()],
    ...feeds.map((feed): [string, () => Promise<unknown>] => [
      `hand back entries of ${feed.place}`,
      () => releaseWaiting(feed),
    ]),
    ...feeds.map((feed): [string, () => Promise<unknown>] => [
      `remove the consumer of ${feed.place}`,
      async () => {
        if (!(await reader.removeConsumer(feed, consumer))) {
          logger.warn(
            { stream: feed.place, consumer },
            'the consumer stays: entries are pending under its name',
          );
        }
      },
    ]),
    ...slots.map((slot): [string, () => Promise<unknown>] => [
      `release the lease of ${slot.stream}`,
      async () => {
        if (slot.lease !== undefined) await leases?.release(slot.lease);
      },
    ]),
    ['leave the list of runners', () => control.leave()],
  ];

  for (const [what, step] of steps) {
    const failure = await persist(step, deadline);
    if (failure !== undefined)
      logger.warn({ err: failure.error, consumer }, `stopped without being able to ${what}`);
  }
}

/** Tries until it succeeds or the time is up; once in any case. */
async function persist(
  step: () => Promise<unknown>,
  deadline: number,
): Promise<{ readonly error: unknown } | undefined> {
  for (;;) {
    const attempt = step().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const late = { error: new Error('there was no answer in time') };
    const failure = await within(attempt, deadline - performance.now(), late);
    if (failure === undefined || performance.now() + retryMs >= deadline) return failure;
    await pause(retryMs);
  }
}
