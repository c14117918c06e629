// `npm run soak`: see ../README.md.
import { once } from 'node:events';
import { createDisplay, renderLatency } from '@event-bus/demo/display';
import { renderLedger } from '@event-bus/demo/ledger';
import { startStack } from '@event-bus/demo/stack';
import { startS3 } from '@event-bus/testkit';
import { describeMachine } from '../harness/machine.ts';
import { startDurablePostgres, startDurableRedis } from '../harness/servers.ts';
import { judgedFromMinutes, median } from './checks.ts';
import { readOptions, type SoakOptions, UsageError, usage } from './options.ts';
import { store, toTable } from './report.ts';
import { soak } from './run.ts';
import { environmentOf, windowsFor } from './windows.ts';

const bucket = 'soak';
const display = createDisplay(process.stdout);

async function run(options: SoakOptions, interrupted: Promise<unknown>): Promise<number> {
  const windows = windowsFor(options.minutes * 60);
  const s3 = await startS3();
  s3.createBucket(bucket);
  try {
    display.say('Starting a PostgreSQL, a Redis and an S3 server, and every worker of the bus.');
    const stack = await startStack({
      startPostgres: startDurablePostgres,
      startRedis: startDurableRedis,
      environment: { ...s3.env, ARCHIVE_URL: `s3://${bucket}`, ...environmentOf(windows) },
    });
    try {
      const soaking = soak({ stack, s3, bucket, display, options, windows });
      const soaked = await Promise.race([soaking, stack.broken, interrupted.then(() => undefined)]);
      if (soaked === undefined) return 130;
      display.clear();
      await store(soaked, { options, windows, machine: await describeMachine(stack.postgres) });
      const { ledger, latency, checks } = soaked;
      const typical = {
        p50: median(latency.map(({ p50 }) => p50)),
        p95: median(latency.map(({ p95 }) => p95)),
        p99: median(latency.map(({ p99 }) => p99)),
      };
      display.print(`\n${renderLedger(ledger)}\n\n${toTable(checks)}\n`);
      display.print(`From commit to handled, medians over time: ${renderLatency(typical)}.`);
      if (options.minutes < judgedFromMinutes)
        display.print(`Memory is judged in runs of ${judgedFromMinutes} minutes and more.`);
      display.print(`Figures and plots: ${options.out}`);
      return checks.some(({ met }) => met === false) ? 1 : 0;
    } finally {
      display.clear();
      await stack.stop();
    }
  } finally {
    await s3.stop();
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const interrupted = Promise.race(
    (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => once(process, name)),
  );
  // A second one, while everything stops, must not leave half of it behind.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => 'stopping');
  process.exit(await run(options, interrupted));
} catch (error) {
  display.clear();
  console.error(error instanceof Error ? error.message : error);
  if (error instanceof UsageError) console.error(`\n${usage}`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
