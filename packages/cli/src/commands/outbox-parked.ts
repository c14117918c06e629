import { databaseConfig, loadConfig } from '@event-bus/config';
import { type HeldBackAggregate, parkedEvents } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { age, text } from '../format.ts';
import { parseCount, withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { table } from '../table.ts';

const config = z.object({ DATABASE_URL: databaseConfig.DATABASE_URL });

/** `bus outbox parked` */
export function addOutboxParked(outbox: Command): void {
  withJson(outbox.command('parked'))
    .summary('list events that could not be written')
    .description(
      'Lists the events that could not be written to their stream, oldest first, with the reason and how many later events ' +
        'of the same aggregate wait behind each. Other aggregates are not held back.',
    )
    .option('--limit <n>', 'at most so many', parseCount(1), 100)
    .addHelpText('after', '\nExample:\n  $ bus outbox parked')
    .action(async ({ limit, json }: { readonly limit: number; readonly json?: true }) => {
      const env = loadConfig(config, process.env);
      const parked = await withConnections(async (connections) => {
        const { pool } = await connections.database(env.DATABASE_URL);
        return parkedEvents(pool, limit);
      });
      if (json === true) printJson(parked);
      else print(parked.length === 0 ? 'Nothing is parked.' : parkedTable(parked));
    });
}

function parkedTable(parked: readonly HeldBackAggregate[]): string {
  return table(
    [
      { title: 'EVENT', text: ({ eventId }) => eventId },
      { title: 'TYPE', text: ({ eventType }) => text(eventType) },
      { title: 'AGGREGATE', text: ({ aggregateType, aggregateId }) => `${aggregateType}/${aggregateId}` },
      { title: 'PARKED', text: ({ parkedAt }) => `${age(parkedAt)} ago` },
      { title: 'WAITING', text: ({ waiting }) => String(waiting), right: true },
      { title: 'RETRY', text: ({ retryRequestedAt }) => (retryRequestedAt === null ? '-' : 'requested') },
      { title: 'REASON', text: ({ reason }) => reason },
    ],
    parked,
  );
}
