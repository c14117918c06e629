import { MalformedEntryError, parseEntry } from '@event-bus/contracts';
import { findSettled, type InboxKey } from '@event-bus/inbox';
import type { Delivery } from '@event-bus/transport';
import { DatabaseUnavailableError, ShutdownError } from './errors.ts';
import { bindBookkeeping } from './transaction/bound-transaction.ts';
import type { Sessions } from './transaction/session.ts';
import { within } from './transaction/within.ts';

const patienceMs = 5_000;

/**
 * Those of the deliveries that the inbox has settled, found with one statement.
 * @throws ShutdownError, DatabaseUnavailableError, or PostgreSQL's error, also if one of them has a value that it refuses.
 */
export async function lookUpSettled(
  deliveries: readonly Delivery[],
  parts: { readonly sessions: Sessions; readonly group: string; readonly signal: AbortSignal },
): Promise<Set<Delivery>> {
  const { sessions, group, signal } = parts;
  const asked = deliveries.flatMap((delivery) => {
    const key = keyOf(delivery, group);
    return key === undefined ? [] : [{ delivery, key }];
  });
  const session = await sessions.open(AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]));
  try {
    const found = findSettled(
      bindBookkeeping(session),
      asked.map(({ key }) => key),
    );
    const waited = await within(found, patienceMs, signal);
    if (waited.kind === 'fulfilled') {
      const settled = asked.filter((_, index) => waited.value[index] === true);
      return new Set(settled.map(({ delivery }) => delivery));
    }
    session.discard();
    if (waited.kind === 'aborted') throw new ShutdownError({ cause: signal.reason });
    throw new DatabaseUnavailableError('looking events up in the inbox', {
      cause: new Error(`no answer within ${patienceMs} ms`),
    });
  } finally {
    session.release();
  }
}

/** There is none of an entry that cannot be read: it is given up elsewhere. */
function keyOf({ fields }: Delivery, group: string): InboxKey | undefined {
  try {
    const { eventId, replayId, occurredAt } = parseEntry(fields);
    return { group, eventId, replayId, occurredAt };
  } catch (error) {
    if (error instanceof MalformedEntryError) return undefined;
    throw error;
  }
}
