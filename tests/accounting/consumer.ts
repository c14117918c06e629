import { setTimeout as delay } from 'node:timers/promises';
import { consumersFor, exponential, skip } from '../../packages/consumer/src/index.ts';
import { userRenamed } from '../../packages/contracts/src/index.ts';

interface Tables {
  readonly weather: { readonly is_down: boolean };
  readonly effects: { readonly consumer_group: string; readonly event_id: string };
}

const { defineConsumer, on } = consumersFor<Tables>();
const group = process.env.ACCOUNTED_GROUP ?? 'accounted';

/** A consumer that leaves an effect, and does with an event what the name in it asks for. */
export default defineConsumer({
  group,
  ordering: process.env.ACCOUNTED_ORDERING === 'aggregate' ? 'aggregate' : 'none',
  startFrom: process.env.ACCOUNTED_START === 'now' ? 'now' : 'beginning',
  retry: { maxAttempts: 3, backoff: exponential('20ms', { max: '100ms' }) },
  concurrency: 4,
  handlers: [
    on(userRenamed, async (event, { trx, signal }) => {
      const { is_down: isDown } = await trx.selectFrom('weather').selectAll().executeTakeFirstOrThrow();
      await trx.insertInto('effects').values({ consumer_group: group, event_id: event.id }).execute();
      if (isDown) throw new Error('the index does not answer');
      switch (event.payload.name) {
        case 'poison':
          throw new Error('no such name');
        case 'dull':
          return skip('of no interest');
        case 'slow':
          await delay(60_000, undefined, { signal });
      }
    }),
  ],
});
