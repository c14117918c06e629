import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { listStreams, type StreamView } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import type { SetStatus } from '../exit-status.ts';
import { age, text } from '../format.ts';
import { withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { table } from '../table.ts';
import { tellUnreadable } from '../unreadable.ts';

const config = z.object({
  DATABASE_URL: databaseConfig.DATABASE_URL,
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
  ...redisConfig,
});

/** `bus streams` */
export function addStreams(program: Command, setStatus: SetStatus): void {
  withJson(program.command('streams'))
    .summary('list the streams')
    .description(
      'Lists every stream of every registered topic, and any other that the outbox in DATABASE_URL has written to.\n' +
        'WRITERS names the outboxes that write to it with the position each wrote last; "gone" if that entry no longer stands.',
    )
    .addHelpText('after', '\nExample:\n  $ bus streams')
    .action(async ({ json }: { readonly json?: true }) => {
      const env = loadConfig(config, process.env);
      const { views, unreadable } = await withConnections(async (connections) => {
        const [{ pool }, { db }] = await Promise.all([
          connections.database(env.DATABASE_URL),
          connections.database(env.BUS_DATABASE_URL),
        ]);
        return listStreams({ bus: db, pool, observer: connections.redis(env.REDIS_URL).observer() });
      });
      if (json === true) printJson(views);
      else if (views.length > 0) print(streamTable(views));
      else if (unreadable.length === 0)
        print('No topic is registered, and the outbox has written to no stream.');
      tellUnreadable(unreadable, setStatus);
    });
}

function streamTable(streams: readonly StreamView[]): string {
  return table(
    [
      { title: 'STREAM', text: ({ stream }) => stream },
      { title: 'LENGTH', text: ({ exists, length }) => (exists ? String(length) : 'none'), right: true },
      { title: 'FIRST', text: ({ firstAt }) => ago(firstAt) },
      { title: 'LAST', text: ({ lastAt }) => ago(lastAt) },
      { title: 'WRITERS', text: writersOf },
      { title: 'TRIMMED TO', text: ({ trimmedTo }) => text(trimmedTo) },
      { title: 'GROUPS', text: ({ groups }) => text(groups.join(', ')) },
    ],
    streams,
  );
}

function ago(instant: Date | null): string {
  return instant === null ? '-' : `${age(instant)} ago`;
}

function writersOf({ writers }: StreamView): string {
  return text(writers.map(({ source, position }) => `${source} (${position ?? 'gone'})`).join(', '));
}
