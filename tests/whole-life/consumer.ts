import { consumersFor, exponential } from '../../packages/consumer/src/index.ts';
import { userRenamed } from '../../packages/contracts/src/index.ts';

interface Tables {
  readonly mood: { readonly is_cured: boolean };
  readonly effects: {
    readonly consumer_group: string;
    readonly event_id: string;
    readonly aggregate_id: string;
    readonly is_replay: boolean;
  };
}

const { defineConsumer, on } = consumersFor<Tables>();
const group = process.env.LIFE_GROUP ?? 'life';

/** A consumer that leaves an effect of each event, and fails on users that are called `poison` until it is cured. */
export default defineConsumer({
  group,
  ordering: process.env.LIFE_ORDERING === 'aggregate' ? 'aggregate' : 'none',
  startFrom: process.env.LIFE_START === 'archive' ? 'archive' : 'beginning',
  retry: { maxAttempts: 2, backoff: exponential('20ms', { max: '50ms' }) },
  handlers: [
    on(userRenamed, async (event, { trx }) => {
      const { is_cured: isCured } = await trx.selectFrom('mood').selectAll().executeTakeFirstOrThrow();
      if (event.payload.name === 'poison' && !isCured) throw new Error('no such name');
      const { id, aggregateId, replay } = event;
      await trx
        .insertInto('effects')
        .values({
          consumer_group: group,
          event_id: id,
          aggregate_id: aggregateId,
          is_replay: replay !== undefined,
        })
        .execute();
    }),
  ],
});
