import { consumersFor } from '@event-bus/consumer';
import { userCreated, userDeleted, userEmailChanged, userRenamed } from '@event-bus/contracts';
import { applyChange } from './apply-change.ts';
import type { UserDirectoryTables } from './tables.ts';

const { defineConsumer, on } = consumersFor<UserDirectoryTables>();

/**
 * Who the users are now, as a table. The rows are written in the transaction that records the event as handled, so
 * each event changes them exactly once; the group is ordered, so the last name somebody took is the one that stays. It
 * does nothing else, so many events share a transaction: it takes several times as many a second.
 */
export default defineConsumer({
  group: 'user-directory',
  ordering: 'aggregate',
  transaction: 'batch',
  handlers: [
    on(userCreated, (event, { trx }) => {
      const { name, email } = event.payload;
      return applyChange(trx, event, { name, email });
    }),
    on(userRenamed, (event, { trx }) => applyChange(trx, event, { name: event.payload.name })),
    on(userEmailChanged, (event, { trx }) => applyChange(trx, event, { email: event.payload.email })),
    on(userDeleted, (event, { trx }) =>
      applyChange(trx, event, { name: null, email: null, deleted_at: event.occurredAt }),
    ),
  ],
});
