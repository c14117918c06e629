import { consumersFor } from '@event-bus/consumer';
import { userCreated } from '@event-bus/contracts';
import type { Generated } from 'kysely';
import { count, parameter } from './harness/parameters.ts';

/** The table that handlers write to. */
export interface Effects {
  effects: { id: Generated<string>; event_id: string; aggregate_id: string; note: string };
}

const { defineConsumer, on } = consumersFor<Effects>();
// Looked up once: the environment of a process is slow to read.
const isIdle = parameter('BENCH_HANDLER') === 'none';

/** The consumer that is measured, all defaults but for how it transacts and orders: one insert per event, or nothing at all. */
export default defineConsumer({
  group: 'bench',
  ordering: parameter('BENCH_ORDERING') === 'aggregate' ? 'aggregate' : 'none',
  ...(parameter('BENCH_TRANSACTION') === 'batch' && {
    transaction: 'batch',
    batchSize: count('BENCH_BATCH_SIZE'),
  }),
  handlers: [
    on(userCreated, async (event, { trx }) => {
      if (isIdle) return;
      await trx
        .insertInto('effects')
        .values({ event_id: event.id, aggregate_id: event.aggregateId, note: event.payload.name })
        .execute();
    }),
  ],
});
