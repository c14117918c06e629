import { setTimeout as delay } from 'node:timers/promises';
import { databaseConfig, loadConfig, type Secret } from '@event-bus/config';
import { migrate, migrationNames } from '@event-bus/database';
import type { Command } from 'commander';
import { z } from 'zod';
import { type Connections, withConnections } from '../connections.ts';
import { messageOf } from '../failure.ts';
import { duration } from '../format.ts';
import { inboxConfig } from '../inbox-config.ts';
import { timeoutOption } from '../options.ts';
import { print, printError } from '../output.ts';

const config = z.object({
  DATABASE_URL: databaseConfig.DATABASE_URL,
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
  ...inboxConfig,
});

const longestPauseMs = 3_000;

/** `bus migrate` */
export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .summary('bring the databases up to date')
    .description(
      'Brings the schema of DATABASE_URL, and of BUS_DATABASE_URL and INBOX_DATABASE_URL if those are others, up to date. May be ' +
        'repeated, and run by many at once.',
    )
    .option('--wait', 'wait for a database that cannot be reached')
    .addOption(timeoutOption('with --wait, for how long', 60_000))
    .addHelpText('after', '\nExample:\n  $ bus migrate --wait --timeout 5m')
    .action(async ({ wait, timeout }: { readonly wait?: true; readonly timeout: number }) => {
      const env = loadConfig(config, process.env);
      const waitMs = wait === true ? timeout : 0;
      const all = [env.DATABASE_URL, env.BUS_DATABASE_URL, env.INBOX_DATABASE_URL];
      const urls = new Map(all.map((url) => [url.reveal(), url]));
      await withConnections(async (connections) => {
        for (const url of urls.values()) await migrateOne(connections, url, waitMs);
      });
    });
}

async function migrateOne(connections: Connections, url: Secret, waitMs: number): Promise<void> {
  const { pool, db } = connections.open(url);
  const name = nameOf(url);
  await reach(name, () => pool.query('select 1'), waitMs);
  const applied = await migrate(db);
  if (applied.length > 0) print(`${name}: applied ${applied.join(', ')}`);
  else print(`${name}: up to date with ${(await migrationNames()).at(-1)}`);
}

async function reach(name: string, look: () => Promise<unknown>, waitMs: number): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (let pauseMs = 200; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    try {
      await look();
      return;
    } catch (error) {
      if (performance.now() >= deadline) throw error;
      printError(`${name}: ${messageOf(error)}; trying again in ${duration(pauseMs)}`);
      await delay(pauseMs);
    }
  }
}

/** A database as it may be printed: without user and password. */
function nameOf(url: Secret): string {
  const { pathname, host, searchParams } = new URL(url.reveal());
  return `${pathname.slice(1) || 'default database'} on ${host || (searchParams.get('host') ?? '')}`;
}
