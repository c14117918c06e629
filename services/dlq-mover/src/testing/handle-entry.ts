import type { BusDatabase } from '@event-bus/database';
import { recordHandled } from '@event-bus/inbox';
import type { GroupReader, GroupRef } from '@event-bus/transport';
import { type Kysely, sql } from 'kysely';

/** An entry that stands in a stream. */
export interface TestEntry {
  readonly id: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** How an entry is handled. */
export interface Handling {
  readonly db: Kysely<BusDatabase>;
  readonly reader: GroupReader;
  readonly ref: GroupRef;
  /** What the handler does while its transaction is open. */
  readonly during?: () => Promise<void>;
  /** The server ends the transaction when it idles for longer. */
  readonly idleMs?: number;
}

/** Handles an entry as a runner does: the inbox row, then whatever `during` does, the commit, the acknowledgement. */
export async function handleEntry(
  { id, fields }: TestEntry,
  { db, reader, ref, during, idleMs = 60_000 }: Handling,
): Promise<'handled' | 'duplicate'> {
  const eventId = fields.event_id ?? '';
  const row = {
    group: ref.group,
    eventId,
    replayId: '',
    occurredAt: fields.occurred_at ?? '',
    stream: ref.stream,
    streamId: id,
    attempt: 1,
  };
  const isFresh = await db.transaction().execute(async (trx) => {
    // How the inbox knows a transaction that a handler began.
    await sql`set transaction deferrable`.execute(trx);
    const [recorded] = await recordHandled(trx, [row], { idleMs });
    await during?.();
    return recorded?.isFresh === true;
  });
  await reader.acknowledge(ref, [{ id, eventId }]);
  return isFresh ? 'handled' : 'duplicate';
}
