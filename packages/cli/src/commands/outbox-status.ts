import { databaseConfig, loadConfig } from '@event-bus/config';
import { type OutboxOverview, outboxStatus } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { age, plural, rowCount, text } from '../format.ts';
import { withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { facts } from '../table.ts';

const config = z.object({ DATABASE_URL: databaseConfig.DATABASE_URL });

/** `bus outbox status` */
export function addOutboxStatus(outbox: Command): void {
  withJson(outbox.command('status'))
    .summary('whether events leave the outbox')
    .description(
      'Says how far the outbox is published, who leads, and what waits. It never scans the log: pending and parked events ' +
        'are counted up to 100000, and what was published is told from the cursor, so positions of transactions that were ' +
        'rolled back count with it.',
    )
    .addHelpText('after', '\nExample:\n  $ bus outbox status')
    .action(async ({ json }: { readonly json?: true }) => {
      const env = loadConfig(config, process.env);
      const overview = await withConnections(async (connections) => {
        const { pool } = await connections.database(env.DATABASE_URL);
        return outboxStatus(pool);
      });
      if (json === true) printJson(overview);
      else print(describe(overview));
    });
}

function describe(overview: OutboxOverview): string {
  const { pending, parked, gaps } = overview;
  const heldBack = `${rowCount(parked)} on ${plural(overview.parkedAggregates, 'aggregate')}`;
  return facts([
    ['source', overview.source ?? 'not published yet'],
    ['leader', leaderOf(overview)],
    ['epoch', String(overview.epoch)],
    ['cursor', `position ${overview.position} of ${overview.lastPosition}`],
    ['pending', withAge(rowCount(pending), overview.oldestPendingAt)],
    ['published', `at most ${overview.publishedAtMost}`],
    ['parked', parked.count === 0 ? '0' : `${heldBack}: \`bus outbox parked\` says why`],
    ['open gaps', withAge(gapText(gaps), gaps.oldestAt)],
  ]);
}

function leaderOf({ isLed, leader, ledSince }: OutboxOverview): string {
  if (isLed) return `${text(leader)}, for ${age(ledSince)}`;
  return leader === null ? 'nobody yet' : `nobody; ${leader} was the last`;
}

function gapText({ ranges, positions }: OutboxOverview['gaps']): string {
  return ranges === 0 ? '0' : `${ranges} with ${plural(positions, 'position')}`;
}

function withAge(what: string, oldest: Date | null): string {
  return oldest === null ? what : `${what}, the oldest for ${age(oldest)}`;
}
