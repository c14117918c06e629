import { consumersFor } from '@event-bus/consumer';
import { userCreated } from '@event-bus/contracts';
import type { Generated } from 'kysely';
import { parameter } from './harness/parameters.ts';

/** The table that handlers write to. */
export interface Effects {
  effects: { id: Generated<string>; event_id: string; aggregate_id: string; note: string };
}

const { defineConsumer, on } = consumersFor<Effects>();

/** The consumer that is measured, all defaults but for how it transacts: one insert per event. */
export default defineConsumer({
  group: 'bench',
  transaction: parameter('BENCH_TRANSACTION') === 'batch' ? 'batch' : 'event',
  handlers: [
    on(userCreated, async (event, { trx }) => {
      await trx
        .insertInto('effects')
        .values({ event_id: event.id, aggregate_id: event.aggregateId, note: event.payload.name })
        .execute();
    }),
  ],
});
