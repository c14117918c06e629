import type { ReceivedEvent } from '@event-bus/contracts';
import type { Transaction, Updateable } from 'kysely';
import type { UserDirectoryTables } from './tables.ts';

type Change = Omit<Updateable<UserDirectoryTables['user_directory']>, 'user_id' | 'tenant_id' | 'version'>;

/**
 * Applies what an event says to its user's row and notes it in the history. A user the directory hasn't heard of is
 * added with what is known: a directory may begin in the middle of history.
 */
export async function applyChange(
  trx: Transaction<UserDirectoryTables>,
  event: ReceivedEvent,
  change: Change,
): Promise<void> {
  const { version } = await trx
    .insertInto('user_directory')
    .values({ user_id: event.aggregateId, tenant_id: event.tenantId, version: 1, ...change })
    .onConflict((conflict) =>
      conflict
        .column('user_id')
        .doUpdateSet((eb) => ({ ...change, version: eb('user_directory.version', '+', 1) })),
    )
    .returning('version')
    .executeTakeFirstOrThrow();
  await trx
    .insertInto('user_directory_history')
    .values({
      user_id: event.aggregateId,
      version,
      event_id: event.id,
      event_type: event.type,
      occurred_at: event.occurredAtText,
    })
    .execute();
}
