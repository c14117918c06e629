import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { outboxLocks, wakeupChannel } from '@event-bus/outbox/log';
import type { Notification } from 'pg';
import { type LeadSession, tryLock, unlock } from './lead.ts';

const shortestPollMs = 2;
const longestPollMs = 20;

/**
 * Sleeps until there is something to publish. NOTIFY on every insert would cost producers most of their commit rate,
 * so the trigger notifies only a publisher that sleeps, which it knows by a lock:
 *
 * - awake: the lock is free; a writer shares it until it commits, and does not notify.
 * - going to sleep: the publisher takes the lock alone. If a writer still shares it, it polls, since that writer will
 *   not notify. If it has the lock, every writer that did not notify has ended, so one more look misses nobody.
 * - asleep: it holds the lock; writers fail to share it and notify when they commit.
 */
export class Wakeup {
  readonly #session: LeadSession;
  readonly #alarm = new EventTarget();
  #rung = false;
  #sweepAsked = false;
  #pollMs = shortestPollMs;

  private constructor(session: LeadSession) {
    this.#session = session;
    session.client.on('notification', (notification: Notification) => {
      this.ring(notification.payload === 'sweep' ? 'sweep' : 'look');
    });
  }

  /** Starts to listen on the session that holds the lead. */
  static async listen(session: LeadSession): Promise<Wakeup> {
    const wakeup = new Wakeup(session);
    await session.client.query(`listen ${wakeupChannel}`);
    return wakeup;
  }

  /** Ends the current or the next sleep. */
  ring(why: 'look' | 'sweep'): void {
    this.#sweepAsked ||= why === 'sweep';
    this.#rung = true;
    this.#alarm.dispatchEvent(new Event('ring'));
  }

  /** Whether someone asked for a sweep since the last call. */
  takeSweepRequest(): boolean {
    const asked = this.#sweepAsked;
    this.#sweepAsked = false;
    return asked;
  }

  /**
   * Sleeps at most `longestMs`, and returns what `look` found if it found something before falling asleep.
   * @param look looks once more, while those who did not notify are known to have ended.
   */
  async sleep<Found>(
    look: () => Promise<Found | undefined>,
    longestMs: number,
    signal: AbortSignal,
  ): Promise<Found | undefined> {
    const { client } = this.#session;
    if (!(await tryLock(client, outboxLocks.asleep))) {
      await this.#wait(this.#pollMs, signal);
      this.#pollMs = Math.min(longestPollMs, this.#pollMs * 2);
      return undefined;
    }
    try {
      this.#pollMs = shortestPollMs;
      const found = await look();
      if (found === undefined) await this.#wait(longestMs, signal);
      return found;
    } finally {
      await unlock(client, outboxLocks.asleep);
    }
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      const ended = new AbortController();
      const either = AbortSignal.any([signal, ended.signal]);
      const ring = once(this.#alarm, 'ring', { signal: either }).catch(() => undefined);
      await Promise.race([ring, delay(ms, undefined, { signal: either }).catch(() => undefined)]);
      ended.abort();
    }
    this.#rung = false;
  }
}
