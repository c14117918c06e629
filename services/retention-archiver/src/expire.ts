import { type ArchiveStore, deleteExpired, setExpiryRules } from '@event-bus/archive';
import { type BusDatabase, clockOf } from '@event-bus/database';
import { type PolicyOf, retainedStreams } from '@event-bus/operations';
import type { Kysely } from 'kysely';
import type { ArchiverObserver, ExpiryPart } from './observer.ts';

/** What expiry works with. */
export interface ExpiryParts {
  readonly bus: Kysely<BusDatabase>;
  readonly store: ArchiveStore;
  readonly policyOf: PolicyOf;
  readonly observer: ArchiverObserver;
}

const DAY_MS = 86_400_000;
/** The store's own rules delete in no order: they come so much later, for the case that nobody else does. */
const RULE_DELAY_DAYS = 7;
/** No upload takes so long: what has not been finished by then never will be. */
const UPLOAD_PATIENCE_MS = DAY_MS;

/** How long the objects of a stream are kept. */
interface Kept {
  readonly stream: string;
  readonly coldMs: number;
}

/**
 * Creates the expiry of one process: it deletes what is past the policy of its topic, oldest first, of streams that topics
 * have or had and of no others, and has the store do the same some days later by rules of its own, where it has such. What
 * fails is told, and keeps nothing else from being done: a bucket whose rules this process may not set is emptied all the
 * same.
 *
 * What is deleted is gone for good. So of two clocks, that of this process and that of the bus's database, the one that is
 * behind counts: one that jumps ahead by itself deletes nothing.
 */
export function createExpiry({
  bus,
  store,
  policyOf,
  observer,
}: ExpiryParts): (signal: AbortSignal) => Promise<void> {
  let rulesSet = '';

  async function setRules(streams: readonly Kept[]): Promise<void> {
    const rules = streams.map(({ stream, coldMs }) => ({
      stream,
      days: Math.ceil(coldMs / DAY_MS) + RULE_DELAY_DAYS,
    }));
    const asText = JSON.stringify(rules);
    if (asText === rulesSet || rules.length === 0) return;
    await setExpiryRules(store, rules);
    rulesSet = asText;
  }

  async function deleteFrom(stream: string, before: Date): Promise<void> {
    for await (const { objects, bytes } of deleteExpired(store, { stream, before }))
      observer.expired(stream, objects, bytes);
  }

  return async (signal) => {
    const attempt = async (part: ExpiryPart, run: () => Promise<unknown>) => {
      try {
        await run();
        observer.expiryRecovered(part);
      } catch (error) {
        if (!signal.aborted) observer.expiryFailed(part, error);
      }
    };
    await attempt({ step: 'plan' }, async () => {
      const streams = [...(await retainedStreams(bus))].map(([stream, topic]) => ({
        stream,
        coldMs: policyOf(topic).coldMs,
      }));
      await attempt({ step: 'rules' }, () => setRules(streams));
      const now = Math.min(Date.now(), await clockOf(bus));
      for (const { stream, coldMs } of streams) {
        if (signal.aborted) return;
        await attempt({ step: 'delete', stream }, () => deleteFrom(stream, new Date(now - coldMs)));
      }
      await attempt({ step: 'leftovers' }, () => store.removeLeftovers(new Date(now - UPLOAD_PATIENCE_MS)));
    });
  };
}
