import { setTimeout as delay } from 'node:timers/promises';
import {
  type RedriveProgress,
  type RedrivingLetter,
  readProgress,
  readWaitingGroups,
} from '@event-bus/inbox';
import { TransportError } from '@event-bus/transport';
import { injectLetters, injectRedriving } from './inject.ts';
import type { FollowOptions } from './redrive-request.ts';
import type { LetterServers } from './request.ts';

const pollMs = 200;
const reinjectMs = 3_000;

/**
 * Waits until no letter of an action is being redriven any more. Where nothing happens for a few seconds, what Redis may
 * have lost is injected again: no dlq-mover need run. Returns how the letters stand, and whether patience ended first.
 */
export async function followRedrive(
  servers: LetterServers,
  actionId: string,
  { patienceMs, signal, onProgress, onAway }: FollowOptions,
): Promise<{ readonly progress: RedriveProgress; readonly end: 'settled' | 'impatient' | 'interrupted' }> {
  let last: RedriveProgress | undefined;
  let changedAt = performance.now();
  let injectedAt = changedAt;
  for (;;) {
    const askedAt = performance.now();
    const progress = await readProgress(servers.db, actionId);
    const now = performance.now();
    onProgress(progress);
    if (progress.redriving === 0) return { progress, end: 'settled' };
    if (progress.redriving !== last?.redriving) changedAt = now;
    last = progress;
    if (signal.aborted) return { progress, end: 'interrupted' };
    if (now - changedAt > patienceMs) return { progress, end: 'impatient' };
    if (now - Math.max(changedAt, injectedAt) > reinjectMs) {
      for (const group of await readWaitingGroups(servers.db, actionId)) {
        await unlessAway(() => injectRedriving(servers, group), onAway);
      }
      injectedAt = performance.now();
    }
    // Where there are very many letters, the database has something else to do as well.
    await delay(Math.max(pollMs, 4 * (now - askedAt)), undefined, { signal }).catch(() => undefined);
  }
}

/** Injects letters; what Redis does not take now, it is given later by {@link followRedrive} or a dlq-mover. */
export async function injectOrLeave(
  servers: LetterServers,
  letters: readonly RedrivingLetter[],
  onAway: FollowOptions['onAway'],
): Promise<void> {
  await unlessAway(() => injectLetters(servers, letters), onAway);
}

async function unlessAway(work: () => Promise<unknown>, onAway: FollowOptions['onAway']): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    onAway(error);
  }
}
