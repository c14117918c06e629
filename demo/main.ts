// `npm run demo`: the whole bus on this machine, with things going wrong, and a ledger at the end that tells whether
// every committed event was handled once and in order by every group.
import { once } from 'node:events';
import pg from 'pg';
import { createDisplay, renderLatency, whole } from './display.ts';
import { injectFaults } from './faults.ts';
import { isClean, readLedger, renderDeadLetters, renderLedger } from './ledger.ts';
import { howToLookAround, howToRedrive } from './look-around.ts';
import { createMeter, type Meter, untilSettled } from './measure.ts';
import { type DemoOptions, readOptions, UsageError, usage } from './options.ts';
import { createProducer, type Producer } from './producer.ts';
import { showProgress } from './progress.ts';
import { type GroupName, groups, type Stack, startStack } from './stack.ts';

const display = createDisplay(process.stdout);
const stopping = new AbortController();
const nothingMovesMs = 20_000;

async function demonstrate(stack: Stack, options: DemoOptions): Promise<boolean> {
  display.say(
    'Starting two publishers, two dead-letter movers, and two runners for each of three consumer groups: ten processes.',
  );
  const roles = ['publisher', 'dlq-mover', ...(Object.keys(groups) as GroupName[])] as const;
  await Promise.all([...roles, ...roles].map((role) => stack.startWorker(role)));

  const pool = new pg.Pool({ connectionString: stack.url, max: 4 });
  pool.on('error', () => 'seen by the query that fails');
  const redis = stack.redis.client();
  const meter = createMeter(pool, redis);
  const producer = createProducer({ url: stack.url, ...options });
  display.say(
    `Producing ${whole(options.events)} events of users and projects, in transactions that change data, too.`,
  );

  const settled = new AbortController();
  const signal = stopping.signal;
  const progress = showProgress(display, meter, AbortSignal.any([settled.signal, signal]));
  const faults = { stack, producer, meter, pool, redis, display, signal };
  const [firstFaultAt] = await Promise.all([
    options.faults ? injectFaults(faults) : undefined,
    producer
      .run(signal)
      .then(() => display.say('All is produced. Waiting until every group has handled its events.')),
  ]);
  const isSettled = await untilSettled(meter, nothingMovesMs);
  settled.abort();
  await progress;
  if (!isSettled) display.say(`Nothing has moved for ${nothingMovesMs / 1_000} seconds: giving up.`);

  await report(meter, producer, firstFaultAt);
  return balance(stack, options);
}

async function report(meter: Meter, producer: Producer, firstFaultAt: Date | undefined): Promise<void> {
  const { events, byPlainSql, rolledBack } = producer.produced();
  display.say(
    `${whole(events)} events were committed, ${whole(byPlainSql)} of them by plain SQL; ` +
      `${whole(rolledBack)} more were rolled back on purpose.`,
  );
  const before = firstFaultAt && (await meter.latency({ before: new Date(firstFaultAt.getTime() - 1_000) }));
  if (before) display.say(`From commit to handled, before anything was broken: ${renderLatency(before)}.`);
  const all = await meter.latency('all');
  if (all) display.say(`From commit to handled, over the whole run: ${renderLatency(all)}.`);
}

async function balance(stack: Stack, { keep }: DemoOptions): Promise<boolean> {
  const ledger = await readLedger(stack);
  display.print(
    '\nThe ledger: what the producer noted, against the effects that the handlers left behind.\n',
  );
  display.print(`${renderLedger(ledger)}\n`);
  const deadLetters = renderDeadLetters(ledger);
  if (deadLetters !== undefined) {
    const groups = ledger.filter(({ dead }) => dead.length > 0).map(({ group }) => group);
    display.print(`${deadLetters}\n`);
    display.print(`${howToRedrive(stack, groups)}\n${keep ? '' : '  # with --keep, while all is running\n'}`);
  }
  display.print(
    isClean(ledger)
      ? 'Every committed event was handled once by every group, in order, or is a dead letter that waits for somebody: ' +
          '0 lost, 0 applied twice, 0 out of order.'
      : 'The bus broke its promise: see the event IDs above.',
  );
  return isClean(ledger);
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const interrupted = Promise.race(
    (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => once(process, name)),
  );
  // A second one, while everything stops, must not leave half of it behind.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => 'stopping');

  display.say('Starting a private PostgreSQL and a private Redis, and creating the tables.');
  const starting = startStack();
  const stack = await Promise.race([starting, interrupted]);
  if (Array.isArray(stack)) return 130;
  try {
    const outcome = await Promise.race([demonstrate(stack, options), interrupted, stack.broken]);
    if (Array.isArray(outcome)) return 130;
    if (options.keep) {
      display.print(howToLookAround(stack));
      // Whoever looks around may kill workers, too.
      await interrupted;
    }
    return outcome ? 0 : 1;
  } finally {
    display.clear();
    stopping.abort();
    await stack.stop();
  }
}

try {
  process.exit(await main());
} catch (error) {
  display.clear();
  console.error(error instanceof Error ? error.message : error);
  if (error instanceof UsageError) console.error(`\n${usage}`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
