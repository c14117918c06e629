import type { Redis } from 'ioredis';
import { entryOf } from './events.ts';

/** Streams that are all read by the same groups. */
export const crowd = { topics: 40, groups: 25, entries: 10 };

/** How often each of their entries was handed out: more often than a group allows. */
const deliveries = 100;
const idleMs = 3_600_000;
const topicOf = (n: number) => `topic-${n}`;
const groupOf = (n: number) => `group-${n}`;
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** Registers topics and groups as their publishers and runners would. */
export const registerCrowd = [
  `insert into topics (name, partitions) select 'topic-' || n, 1 from generate_series(1, ${crowd.topics}) n`,
  `insert into consumer_groups (name, topics, ordering, start_from, policy)
   select 'group-' || n, (select array_agg(name) from topics), 'none', 'beginning', '{}'
   from generate_series(1, ${crowd.groups}) n`,
  `insert into inbox_groups (consumer_group, on_dead_letter, max_deliveries, claim_idle_ms)
   select 'group-' || n, 'continue', 5, 1000 from generate_series(1, ${crowd.groups}) n`,
];

/** Fills the streams; every group has been handed out every entry, in processes that died of it. */
export async function fillCrowd(redis: Redis): Promise<void> {
  for (const topic of numbers(crowd.topics).map(topicOf)) {
    const stream = `events:${topic}`;
    const pipeline = redis.pipeline();
    const ids = numbers(crowd.entries).map((number) => `1767261600000-${number}`);
    for (const [index, id] of ids.entries()) pipeline.xadd(stream, id, ...entryOf(index + 1));
    for (const group of numbers(crowd.groups).map(groupOf)) {
      pipeline.xgroup('CREATE', stream, group, '0');
      pipeline.xreadgroup('GROUP', group, 'gone', 'COUNT', crowd.entries, 'STREAMS', stream, '>');
      pipeline.call('XCLAIM', stream, group, 'gone', '0', ...ids, 'IDLE', idleMs, 'RETRYCOUNT', deliveries);
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  }
}
