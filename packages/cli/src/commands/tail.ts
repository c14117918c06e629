import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { type FollowedEntry, followStreams, streamsOfGroup, streamsOfTopics } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { describeFailure } from '../failure.ts';
import { text } from '../format.ts';
import { interruption } from '../interruption.ts';
import { parseCount, parseInstant, withJson } from '../options.ts';
import { print, printError } from '../output.ts';

const config = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL, ...redisConfig });

interface TailOptions {
  readonly group?: string;
  readonly since?: Date;
  readonly lines: number;
  readonly payload?: true;
  readonly json?: true;
}

/** `bus tail` */
export function addTail(program: Command): void {
  withJson(program.command('tail').argument('[topic]', 'only this topic; all registered ones unless given'))
    .summary('follow the streams')
    .description(
      'Prints events as they enter the streams, one a line: when it occurred, type and version, aggregate, tenant, event ID.\n' +
        'In order within a stream. Runs until Ctrl-C, also while Redis is away.',
    )
    .option('--group <name>', 'only the topics that this group reads')
    .option('-n, --lines <n>', 'begin with the newest n that are there', parseCount(0), 10)
    .option('--since <when>', 'begin with all since then: 10m, or 2026-01-31T12:00:00Z', parseInstant)
    .option('--payload', 'print payloads, which may be personal data')
    .addHelpText(
      'after',
      '\nExample:\n  $ bus tail user --since 10m --payload\n\n--json prints one object a line.',
    )
    .action(async (topic: string | undefined, options: TailOptions, command: Command) => {
      if (topic !== undefined && options.group !== undefined) {
        command.error('error: give a topic or --group, not both');
      }
      const env = loadConfig(config, process.env);
      await withConnections(async (connections) => {
        const { db } = await connections.database(env.BUS_DATABASE_URL);
        const streams =
          options.group === undefined
            ? await streamsOfTopics(db, topic)
            : await streamsOfGroup(db, options.group);
        if (streams.length === 0) return printError('No topic is registered: there is nothing to follow.');
        const followed = followStreams(connections.redis(env.REDIS_URL).observer(), streams, {
          from: options.since === undefined ? { last: options.lines } : { sinceMs: options.since.getTime() },
          signal: interruption(),
          onAway: (error) => printError(`${describeFailure(error)}; waiting for it`),
        });
        for await (const entry of followed) print(options.json ? jsonLine(entry) : line(entry, options));
      });
    });
}

function line({ fields }: FollowedEntry, { payload }: TailOptions): string {
  const columns = [
    text(fields.occurred_at),
    `${text(fields.event_type)} v${text(fields.event_version)}`,
    `${text(fields.aggregate_type)}/${text(fields.aggregate_id)}`,
    text(fields.tenant_id),
    text(fields.event_id),
    ...(payload === true ? [text(fields.payload)] : []),
  ];
  return columns.map(printable).join('  ');
}

/** Whatever a producer wrote, it stays on its line and commands no terminal. */
function printable(value: string): string {
  return value.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}

function jsonLine({ stream, id, fields }: FollowedEntry): string {
  return JSON.stringify({ stream, id, ...fields });
}
