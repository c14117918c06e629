import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { type Display, whole } from './display.ts';
import { fields, type Meter } from './measure.ts';
import type { Producer } from './producer.ts';
import type { Stack, Worker } from './stack.ts';

/** What faults are done to, and who tells of them. */
export interface FaultContext {
  readonly stack: Stack;
  readonly producer: Producer;
  readonly meter: Meter;
  readonly pool: pg.Pool;
  readonly redis: Redis;
  readonly display: Display;
  readonly signal: AbortSignal;
}

/** Breaks things one after the other while events are produced. Returns when the first of them happened. */
export async function injectFaults(context: FaultContext): Promise<Date> {
  const { producer } = context;
  await producer.reached(0.2);
  const firstAt = new Date();
  await killLeadingPublisher(context);
  await producer.reached(0.45);
  await killBusyRunner(context);
  await producer.reached(0.6);
  await killMover(context);
  await producer.reached(0.7);
  await wipeRedis(context);
  return firstAt;
}

const patienceMs = 30_000;
const leader = 'select leader as name from outbox_cursor';
const activeRunner = `select holder as name from inbox_leases where consumer_group = 'user-directory'`;

async function killLeadingPublisher(context: FaultContext): Promise<void> {
  const { stack, display } = context;
  const { worker, name } = await find(context, leader);
  display.say(
    `Killing ${worker.name} with SIGKILL. It leads: it carries the events from PostgreSQL to Redis.`,
  );
  const killedAt = performance.now();
  worker.kill();
  const next = await successor(context, leader, name);
  display.say(`${next.name} took over after ${seconds(killedAt)}, where the committed cursor said to go on.`);
  const fresh = await stack.startWorker('publisher');
  display.say(`${fresh.name} was started and stands by.`);
}

async function killBusyRunner(context: FaultContext): Promise<void> {
  const { stack, display } = context;
  const { worker, name } = await find(context, activeRunner);
  const held = await waitUntilBusy(context, worker);
  worker.kill();
  const killedAt = performance.now();
  display.say(
    `Killed ${worker.name} with SIGKILL, with ${held} events in its hands. The other one stood by.`,
  );
  const next = await successor(context, activeRunner, name);
  display.say(
    `${next.name} took over after ${seconds(killedAt)}, with what the dead one had read and not finished.`,
  );
  const fresh = await stack.startWorker('user-directory');
  display.say(`${fresh.name} was started and stands by.`);
}

async function killMover({ stack, meter, display }: FaultContext): Promise<void> {
  const worker = stack.workers().find(({ role }) => role === 'dlq-mover');
  if (worker === undefined) throw new Error('No dead-letter mover runs.');
  worker.kill();
  const { deadLetters } = await meter.snapshot();
  display.say(
    `Killed ${worker.name} with SIGKILL. ${whole(deadLetters)} events failed for good so far; the other one goes on.`,
  );
}

async function wipeRedis(context: FaultContext): Promise<void> {
  const { meter, redis, display } = context;
  const { published } = await meter.snapshot();
  display.say(
    `Wiping Redis (FLUSHALL): ${whole(published)} events, the groups, and who had read what are gone.`,
  );
  const wipedAt = performance.now();
  await redis.flushall();
  await until(context, async () => (await meter.missingInRedis()) === 0);
  display.say(
    `Redis is whole again after ${seconds(wipedAt)}: the publisher noticed and wrote everything again from the log in ` +
      'PostgreSQL. The groups read it all again, and their inboxes know what they had done.',
  );
}

/** How many events a runner has read and not yet acknowledged; waits a moment for there to be some. */
async function waitUntilBusy({ redis }: FaultContext, { pid }: Worker): Promise<number> {
  const deadline = performance.now() + 1_000;
  for (;;) {
    const consumers = (await redis.xinfo('CONSUMERS', 'events:user', 'user-directory')) as unknown[];
    const runner = consumers
      .map(fields)
      .find((consumer) => String(consumer.get('name')).includes(`-${pid}-`));
    const held = Number(runner?.get('pending') ?? 0);
    if (held > 0 || performance.now() > deadline) return held;
  }
}

/** The worker that a query names, once there is one. */
async function find(
  { pool, stack, signal }: FaultContext,
  query: string,
  accept: (name: string) => boolean = () => true,
): Promise<{ readonly worker: Worker; readonly name: string }> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    const { rows } = await pool.query<{ name: string | null }>(query);
    const name = rows[0]?.name ?? '';
    const worker = stack.workers().find(({ pid }) => name.includes(`-${pid}-`));
    if (worker !== undefined && accept(name)) return { worker, name };
    await delay(10);
  }
  throw new Error(`Nobody has taken over for ${patienceMs / 1_000} seconds.`);
}

async function successor(context: FaultContext, query: string, name: string): Promise<Worker> {
  return (await find(context, query, (found) => found !== name)).worker;
}

async function until({ signal }: FaultContext, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await check())) {
    signal.throwIfAborted();
    if (performance.now() > deadline)
      throw new Error(`Redis still lacks events after ${patienceMs / 1_000} seconds.`);
    await delay(100);
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1_000).toFixed(1)} s`;
}
