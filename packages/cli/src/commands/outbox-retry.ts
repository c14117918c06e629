import { databaseConfig, loadConfig } from '@event-bus/config';
import { type RetryOutcome, requestRetry } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import type { SetStatus } from '../exit-status.ts';
import { duration, plural } from '../format.ts';
import { parseEventId, type RecordOptions, timeoutOption, toRecord, withRecord } from '../options.ts';
import { print } from '../output.ts';

const config = z.object({ DATABASE_URL: databaseConfig.DATABASE_URL });

interface RetryOptions extends RecordOptions {
  readonly all?: true;
  readonly timeout: number;
}

/** `bus outbox retry` */
export function addOutboxRetry(outbox: Command, setStatus: SetStatus): void {
  withRecord(outbox.command('retry'))
    .argument('[event_id]', 'a parked event, or one that waits behind it', parseEventId)
    .summary('try parked events again')
    .description(
      'Asks the publisher to try parked events again: all of the aggregate that the event belongs to, in order, or all there ' +
        'are with --all. Waits for it and says what became of them; exit status 1 unless all are published. The request stands ' +
        'until a publisher takes it up. An event that the log does not hold any more is forgotten, since it can never be ' +
        'published, and its aggregate goes on without it.',
    )
    .option('--all', 'everything that is parked')
    .addOption(timeoutOption('how long to wait for the publisher', 10_000))
    .addHelpText('after', '\nExample:\n  $ bus outbox retry 0f8fad5b-d9cb-469f-a165-70867728950e')
    .action(async (eventId: string | undefined, options: RetryOptions, command: Command) => {
      const { all, timeout } = options;
      if ((eventId === undefined) === (all === undefined)) {
        command.error('error: give the ID of a parked event, or --all');
      }
      const env = loadConfig(config, process.env);
      const outcome = await withConnections(async (connections) => {
        const servers = await connections.database(env.DATABASE_URL);
        const which = eventId === undefined ? 'all' : { eventId };
        return requestRetry(servers, { which, patienceMs: timeout, ...toRecord(options) });
      });
      print(describe(outcome, timeout));
      if (outcome.published < outcome.requested) setStatus(1);
    });
}

function describe(outcome: RetryOutcome, waitMs: number): string {
  const { requested, published, parkedAgain, gone, waiting } = outcome;
  if (requested === 0) return 'Nothing is parked.';
  const lines = [`${published} of ${plural(requested, 'parked event')} published.`];
  if (parkedAgain > 0) lines.push(`${plural(parkedAgain, 'event')} parked again: ${outcome.reason}`);
  if (gone > 0) {
    lines.push(
      `${plural(gone, 'event')} forgotten: the outbox does not hold ${gone === 1 ? 'it' : 'them'} any more.`,
    );
  }
  if (waiting > 0) {
    lines.push(
      outcome.isLed
        ? `${plural(waiting, 'event')} not tried within ${duration(waitMs)}: the request stands.`
        : `${plural(waiting, 'event')} not tried, because no publisher leads: the request stands until one does.`,
    );
  }
  return lines.join('\n');
}
