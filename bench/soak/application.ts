// The demo's application at a steady rate: each transaction has a time at which it is due, whatever became of those before it.
// Prints how far it is several times a second, as lines of JSON, until it is told to stop.
import { setTimeout as delay } from 'node:timers/promises';
import { createDatabase, createPool } from '@event-bus/database';
import { createScenario } from '@event-bus/demo/scenario';
import { carryOut } from '@event-bus/demo/transaction';
import { count, parameter } from '../harness/parameters.ts';

/** What it prints. */
export interface Produced {
  /** Events of committed transactions. */
  readonly events: number;
  /** How late the newest transaction began, in milliseconds. */
  readonly lateMs: number;
}

const rate = count('RATE');
const eventsPerTransaction = 5;
const connections = 24;
// More would only wait in this process for a connection.
const mostUnderWay = 2 * connections;
const printEveryMs = 200;

const db = createDatabase(
  createPool({ url: parameter('DATABASE_URL'), applicationName: 'soak application', max: connections }),
);
const scenario = createScenario({
  users: Number.POSITIVE_INFINITY,
  projects: Number.POSITIVE_INFINITY,
  created: 0.05,
  // Few: they would hold each other up.
  hot: 0.01,
  another: 1 - 1 / eventsPerTransaction,
  // Fewer than would send most batches of a group the slow way, one by one.
  brokenOneIn: 5_000,
  flakyOneIn: 1_500,
});
const underWay = new Set<Promise<void>>();
const done = { events: 0, lateMs: 0 };
let due = performance.now();
let isStopped = false;
for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.once(name, () => {
    isStopped = true;
  });
}

async function produce(): Promise<void> {
  const plan = scenario.next(2 * eventsPerTransaction);
  // What is rolled back on purpose comes on top.
  if (!plan.rollBack) due += (plan.events.length * 1_000) / rate;
  if ((await carryOut(db, plan)) !== 'committed') return;
  scenario.committed(plan.events);
  done.events += plan.events.length;
}

console.log('begin');
const printing = setInterval(() => console.log(JSON.stringify(done)), printEveryMs);
while (!isStopped) {
  const earlyMs = due - performance.now();
  if (earlyMs > 0) await delay(earlyMs);
  else if (underWay.size === mostUnderWay) await Promise.race(underWay);
  else {
    done.lateMs = -earlyMs;
    const one = produce().finally(() => underWay.delete(one));
    underWay.add(one);
  }
}
await Promise.all(underWay);
clearInterval(printing);
console.log(JSON.stringify(done));
await db.destroy();
