import { databaseConfig, loadConfig } from '@event-bus/config';
import { readNewEvent, waitForEvent } from '@event-bus/operations';
import { createOutbox } from '@event-bus/outbox';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { readJson } from '../edit-json.ts';
import { duration } from '../format.ts';
import { timeoutOption } from '../options.ts';
import { print } from '../output.ts';

const config = z.object({ DATABASE_URL: databaseConfig.DATABASE_URL });

interface PublishOptions {
  readonly wait?: true;
  readonly timeout: number;
}

/** `bus publish` */
export function addPublish(program: Command): void {
  program
    .command('publish')
    .argument('<file>', 'a file with the event as JSON, or - for standard input')
    .summary('append one event to the outbox')
    .description(
      'Appends one event to the outbox in DATABASE_URL, checked against its contract as a service would, and prints its ID.\n' +
        'Fields: type, aggregateId, tenantId, actorId, payload; optionally version (the newest unless given), aggregateType, ' +
        'eventId, occurredAt, correlationId, causationId.',
    )
    .option('--wait', 'wait until it is in its stream')
    .addOption(timeoutOption('with --wait, for how long', 30_000))
    .addHelpText('after', example)
    .action(async (file: string, { wait, timeout }: PublishOptions) => {
      const env = loadConfig(config, process.env);
      const event = readNewEvent(await readJson(file));
      await withConnections(async (connections) => {
        const { pool, db } = await connections.database(env.DATABASE_URL);
        const [appended] = await db.transaction().execute((trx) => createOutbox().append(trx, event));
        if (appended === undefined) throw new Error('the outbox returned no event ID');
        print(appended.eventId);
        if (wait === undefined) return;
        const found = await waitForEvent(pool, appended.eventId, timeout);
        if (found?.status === 'parked') throw new Error(`the event is parked: ${found.reason}`);
        if (found?.status !== 'published') {
          throw new Error(
            `the event is appended and was not published within ${duration(timeout)}: \`bus outbox status\` says whether a publisher leads`,
          );
        }
      });
    });
}

const example = `
Example:
  $ bus publish --wait - <<'END'
  { "type": "user.renamed", "aggregateId": "u-1", "tenantId": "acme", "actorId": "alice", "payload": { "name": "Ann" } }
  END`;
