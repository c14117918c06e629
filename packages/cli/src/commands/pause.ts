import { databaseConfig, loadConfig } from '@event-bus/config';
import { type ControlOutcome, controlGroup } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { pauseText } from '../format.ts';
import { withOperator, withRecord } from '../options.ts';
import { print } from '../output.ts';

const config = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL });

interface ControlOptions {
  readonly operator: string;
  readonly reason?: string;
}

/** `bus pause` */
export function addPause(program: Command): void {
  withOperator(program.command('pause').argument('<group>', 'name of a registered group'))
    .summary('stop a consumer group')
    .description(
      'Has all runners of a group finish what they are handling and start nothing more, within seconds and until ' +
        '`bus resume`. What they hold stays theirs; events wait in their streams, and no attempt counts.',
    )
    .requiredOption('--reason <text>', 'why, for the record and for whoever wonders')
    .addHelpText('after', '\nExample:\n  $ bus pause welcome-email --reason "mail server maintenance"')
    .action(async (group: string, options: ControlOptions) => {
      const { changed, pause } = await control(group, 'pause', options);
      const since = pause === null ? '' : `: ${pauseText(pause)}`;
      print(changed ? `${group} is paused.` : `${group} was paused already${since}. That stays as it is.`);
    });
}

/** `bus resume` */
export function addResume(program: Command): void {
  withRecord(program.command('resume').argument('<group>', 'name of a registered group'))
    .summary('let a paused consumer group go on')
    .description('Ends the pause of a group: its runners go on within seconds, where they stopped.')
    .addHelpText('after', '\nExample:\n  $ bus resume welcome-email')
    .action(async (group: string, options: ControlOptions) => {
      const { pause } = await control(group, 'resume', options);
      print(
        pause === null
          ? `${group} was not paused: there is nothing to resume.`
          : `${group} is resumed; it was ${pauseText(pause)}.`,
      );
    });
}

function control(
  group: string,
  action: 'pause' | 'resume',
  { operator, reason = null }: { readonly operator: string; readonly reason?: string | null },
): Promise<ControlOutcome> {
  const env = loadConfig(config, process.env);
  return withConnections(async (connections) => {
    const { db } = await connections.database(env.BUS_DATABASE_URL);
    return controlGroup(db, group, { action, operator, reason });
  });
}
