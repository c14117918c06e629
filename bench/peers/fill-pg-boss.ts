import { PgBoss } from 'pg-boss';
import { messageOf, topic } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';

const jobsPerCall = 1_000;
const events = count('EVENTS');
const boss = new PgBoss({ connectionString: parameter('DATABASE_URL'), supervise: false, schedule: false });
await boss.start();
await boss.createQueue(topic);

for (let start = 1; start <= events; start += jobsPerCall) {
  const length = Math.min(jobsPerCall, events + 1 - start);
  await boss.insert(
    topic,
    Array.from({ length }, (_, index) => ({ data: messageOf(start + index) })),
  );
}

await boss.stop();
