import { writeSync } from 'node:fs';
import { consumersFor, exponential } from '../../packages/consumer/src/index.ts';
import { userRenamed } from '../../packages/contracts/src/index.ts';

interface Tables {
  readonly mood: { readonly is_down: boolean; readonly is_cured: boolean };
  readonly effects: {
    readonly consumer_group: string;
    readonly event_id: string;
    readonly aggregate_id: string;
  };
}

const { defineConsumer, on } = consumersFor<Tables>();
const group = process.env.MOODY_GROUP ?? 'moody';

/**
 * A consumer whose handler fails on users that are called `poison`, until it is cured, and on all of them while what it
 * depends on is down. Over those that are called `freeze` it stops its process, until somebody continues it.
 */
export default defineConsumer({
  group,
  ordering: process.env.MOODY_ORDERING === 'aggregate' ? 'aggregate' : 'none',
  timeout: process.env.MOODY_TIMEOUT === 'short' ? '2s' : '30s',
  retry: { maxAttempts: 3, backoff: exponential('20ms', { max: '100ms' }) },
  handlers: [
    on(userRenamed, async (event, { trx }) => {
      const mood = await trx.selectFrom('mood').selectAll().executeTakeFirstOrThrow();
      const effect = { consumer_group: group, event_id: event.id, aggregate_id: event.aggregateId };
      await trx.insertInto('effects').values(effect).execute();
      if (event.payload.name === 'freeze') {
        writeSync(1, 'the handler is frozen\n');
        // By itself: whoever else did it might come when the handler has ended.
        process.kill(process.pid, 'SIGSTOP');
      }
      if (mood.is_down) throw new Error('the index does not answer');
      if (event.payload.name === 'poison' && !mood.is_cured) throw new Error('no such name');
    }),
  ],
});
