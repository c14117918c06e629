// A producer at a steady rate: each event has a time at which it is due, whatever became of those before it. It inserts one
// event per transaction over sixteen connections, and prints how late the inserts were done, as percentiles.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { insertInto } from './fill/insert.ts';
import { count, parameter } from './harness/parameters.ts';

const connections = 16;
const warmUp = { events: count('WARM_UP'), rate: 1_000 };
const counted = { events: count('EVENTS'), rate: count('RATE') };
const insert = insertInto('outbox_events');
const pool = new pg.Pool({
  connectionString: parameter('DATABASE_URL'),
  max: connections,
  idleTimeoutMillis: 0,
});
let next = 0;

/** Inserts events on time, and tells how long after each was due that was done, in milliseconds. */
async function insertSteadily({ events, rate }: typeof counted): Promise<number[]> {
  const startedAt = performance.now();
  const dueAt = (number: number) => startedAt + (number * 1000) / rate;
  const inserts: Promise<number>[] = [];
  while (inserts.length < events) {
    const due = dueAt(inserts.length);
    if (due > performance.now()) await delay(1);
    else inserts.push(pool.query(insert(next++)).then(() => performance.now() - due));
  }
  return Promise.all(inserts);
}

console.log('begin');
await insertSteadily(warmUp);
const startedAt = performance.now();
const lateness = (await insertSteadily(counted)).toSorted((a, b) => a - b);
const seconds = (performance.now() - startedAt) / 1000;
const percentile = (share: number) => lateness[Math.floor(share * (lateness.length - 1))];
console.log(
  JSON.stringify({ eventsPerSecond: counted.events / seconds, p50: percentile(0.5), p99: percentile(0.99) }),
);
console.log('end');
await pool.end();
