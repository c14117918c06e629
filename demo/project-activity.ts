import { existsSync } from 'node:fs';
import { consumersFor, exponential } from '@event-bus/consumer';
import { projectCreated, projectUpdated } from '@event-bus/contracts';
import { sql, type Transaction } from 'kysely';
import { troubleOf } from './trouble.ts';

interface ProjectActivityTables {
  readonly 'demo.project_activity': {
    project_id: string;
    version: number;
    event_id: string;
    event_type: string;
  };
}

const { defineConsumer, on } = consumersFor<ProjectActivityTables>();

/**
 * The demo's consumer of the second topic. It only writes to the database, so many events share a transaction, and it
 * is ordered, so that no project's event is applied before the one that came first.
 */
export default defineConsumer({
  group: 'project-activity',
  ordering: 'aggregate',
  transaction: 'batch',
  // Short, so that what fails for good is dead within a second.
  retry: { maxAttempts: 3, backoff: exponential('200ms') },
  handlers: [
    on(projectCreated, (event, { trx }) => note(trx, event)),
    on(projectUpdated, async (event, { trx, attempt }) => {
      const trouble = troubleOf(event.payload);
      if (trouble === 'once' && attempt === 1) throw new Error('the project index does not answer');
      if (trouble === 'always' && !isIndexMended())
        throw new Error(`the project index refuses the name ${event.payload.name}`);
      await note(trx, event);
    }),
  ],
});

/** Whether somebody has mended what makes events fail for good. */
function isIndexMended(): boolean {
  return existsSync(process.env.PROJECT_INDEX_MENDED ?? '');
}

async function note(
  trx: Transaction<ProjectActivityTables>,
  event: { readonly id: string; readonly type: string; readonly aggregateId: string },
): Promise<void> {
  await sql`
    insert into demo.project_activity (project_id, version, event_id, event_type)
    select ${event.aggregateId}, coalesce(max(version), 0) + 1, ${event.id}, ${event.type}
    from demo.project_activity where project_id = ${event.aggregateId}`.execute(trx);
}
