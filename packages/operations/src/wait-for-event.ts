import { setTimeout as delay } from 'node:timers/promises';
import { type EventStatus, readEventStatus } from '@event-bus/outbox/log';
import type { OutboxPool } from './outbox-pool.ts';

const pollMs = 100;

/** Waits until an event is published or parked, or the time is up, and returns how it stands then. */
export async function waitForEvent(
  pool: OutboxPool,
  eventId: string,
  patienceMs: number,
): Promise<EventStatus | undefined> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const status = await readEventStatus(pool, eventId);
    if (status?.status !== 'pending' || performance.now() >= deadline) return status;
    await delay(pollMs);
  }
}
