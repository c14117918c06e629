import { setTimeout as delay } from 'node:timers/promises';
import { recordAction } from '@event-bus/database';
import {
  adoptRedriving,
  countLetters,
  type FrozenSelection,
  type LetterSelection,
  markRedriving,
  readClock,
  readProgress,
} from '@event-bus/inbox';
import { followRedrive, injectOrLeave } from './follow-redrive.ts';
import { injectLetters } from './inject.ts';
import { type RedriveEnd, type RedriveReport, reportRedrive } from './redrive-report.ts';
import type { RedriveRequest } from './redrive-request.ts';
import { batchSize, type LetterServers } from './request.ts';

/** A redrive under way. */
interface Run {
  readonly servers: LetterServers;
  readonly frozen: FrozenSelection;
  readonly request: RedriveRequest;
  readonly actionId: string;
}

/**
 * Has dead letters handled again, the first in the order of their events first. The selection is frozen when this begins:
 * letters that die later, or again, are not taken up. What is handed over is redriven even if this is killed; called
 * again with the same selection, it follows what it finds on its way before it hands over more.
 */
export async function redriveDeadLetters(
  servers: LetterServers,
  selection: LetterSelection,
  request: RedriveRequest,
): Promise<RedriveReport> {
  const { db } = servers;
  const frozen = { selection, cutOff: await readClock(db) };
  const { ready, redriving } = await countLetters(db, frozen);
  if (ready === 0 && (redriving === 0 || request.follow === null)) {
    return reportRedrive(servers, frozen, { actionId: null, end: 'complete' });
  }
  const { operator, reason, limit, perSecond, batches, stopOnFailure } = request;
  const actionId = await db.transaction().execute((trx) =>
    recordAction(trx, {
      operator,
      action: 'redrive',
      group: selection.group ?? null,
      reason,
      details: { selection, cutOff: frozen.cutOff, limit, perSecond, batches, stopOnFailure },
    }),
  );
  const run = { servers, frozen, request, actionId };
  const end = request.follow === null ? await handOverAll(run) : await handOverInBatches(run, request.follow);
  return reportRedrive(servers, frozen, { actionId, end });
}

async function handOverAll(run: Run): Promise<RedriveEnd> {
  await handOver(run, run.request.limit);
  return 'complete';
}

/** Each batch is followed to its end, and with it what is released behind its letters meanwhile. */
async function handOverInBatches(
  run: Run,
  follow: NonNullable<RedriveRequest['follow']>,
): Promise<RedriveEnd> {
  const { servers, frozen, request, actionId } = run;
  const sizes = request.batches ?? [request.limit];
  let taken = 0;
  for (let batch = 0; taken < request.limit; ) {
    const found = await servers.db
      .transaction()
      .execute((trx) => adoptRedriving(trx, frozen, { limit: request.limit - taken, actionId }));
    const size = sizes[Math.min(batch, sizes.length - 1)] ?? request.limit;
    const handed = found > 0 ? 0 : await handOver(run, Math.min(size, request.limit - taken));
    if (found + handed === 0) break;
    taken += found + handed;
    if (handed > 0) batch += 1;
    const { progress, end } = await followRedrive(servers, actionId, follow);
    if (end !== 'settled') return end;
    if (request.stopOnFailure && progress.dead > 0) return 'stopped';
    if (follow.signal.aborted) return 'interrupted';
  }
  return 'complete';
}

/**
 * Hands over at most `limit` letters, no faster than it may be, and none any more once one has failed, if that is to stop
 * it. Returns how many.
 */
async function handOver({ servers, frozen, request, actionId }: Run, limit: number): Promise<number> {
  const { perSecond, follow, stopOnFailure } = request;
  const pageSize = perSecond === undefined ? batchSize : Math.ceil(Math.min(batchSize, perSecond / 5));
  const beganAt = performance.now();
  let handed = 0;
  while (handed < limit && follow?.signal.aborted !== true) {
    if (handed > 0 && follow !== null) {
      const progress = await readProgress(servers.db, actionId);
      follow.onProgress(progress);
      if (stopOnFailure && progress.dead > 0) break;
    }
    const page = { limit: Math.min(pageSize, limit - handed), actionId };
    const letters = await servers.db.transaction().execute((trx) => markRedriving(trx, frozen, page));
    if (letters.length === 0) break;
    if (follow === null) await injectLetters(servers, letters);
    else await injectOrLeave(servers, letters, follow.onAway);
    handed += letters.length;
    if (perSecond === undefined || handed >= limit) continue;
    const dueMs = beganAt + (handed / perSecond) * 1_000 - performance.now();
    await delay(Math.max(0, dueMs), undefined, { signal: follow?.signal }).catch(() => undefined);
  }
  return handed;
}
