// A producer at a steady rate: each event has a time at which it is due, whatever became of those before it. It inserts one
// event per transaction over sixteen connections, and prints how late the inserts were done, as percentiles.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { insertInto } from './fill/insert.ts';
import { count, parameter } from './harness/parameters.ts';

const [events, rate] = [count('EVENTS'), count('RATE')];
const connections = 16;
const insert = insertInto('outbox_events');
const pool = new pg.Pool({
  connectionString: parameter('DATABASE_URL'),
  max: connections,
  idleTimeoutMillis: 0,
});
// All of them are open by the time the first event is due.
await Promise.all(Array.from({ length: connections }, () => pool.query('select pg_sleep(0.1)')));

console.log('begin');
const startedAt = performance.now();
const inserts: Promise<number>[] = [];
while (inserts.length < events) {
  const dueAt = startedAt + (inserts.length * 1000) / rate;
  if (dueAt > performance.now()) await delay(1);
  else inserts.push(pool.query(insert(inserts.length)).then(() => performance.now() - dueAt));
}
const lateness = (await Promise.all(inserts)).toSorted((a, b) => a - b);
const seconds = (performance.now() - startedAt) / 1000;
const percentile = (share: number) => lateness[Math.floor(share * (events - 1))];
console.log(
  JSON.stringify({ eventsPerSecond: events / seconds, p50: percentile(0.5), p99: percentile(0.99) }),
);
console.log('end');
await pool.end();
