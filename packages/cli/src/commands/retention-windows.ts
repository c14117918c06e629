import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { type LogPartitions, type RetentionWindows, retentionWindows } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { age, duration, plural } from '../format.ts';
import { inboxConfig } from '../inbox-config.ts';
import { withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { facts, table } from '../table.ts';

const { DATABASE_URL, BUS_DATABASE_URL } = databaseConfig;
const config = z.object({ DATABASE_URL, BUS_DATABASE_URL, ...inboxConfig, ...redisConfig });

/** `bus retention windows` */
export function addRetentionWindows(retention: Command): void {
  withJson(retention.command('windows'))
    .summary('how long outbox and inbox keep what, and what holds back the next drop')
    .description(
      'Shows the windows that publishers and runners have registered: an inbox must remember (INBOX_KEEP) for as long as an ' +
        'outbox keeps its log (OUTBOX_KEEP) and an event may wait (LONGEST_WAIT) together. Then, for the outbox ' +
        'in DATABASE_URL and the inbox in INBOX_DATABASE_URL, the oldest partition, when it may go, what holds it back, and ' +
        'what to do about that.',
    )
    .addHelpText('after', '\nExample:\n  $ bus retention windows')
    .action(async ({ json }: { readonly json?: true }) => {
      const env = loadConfig(config, process.env);
      const windows = await withConnections(async (connections) => {
        const { pool, db: outbox } = await connections.database(env.DATABASE_URL);
        const { db: bus } = await connections.database(env.BUS_DATABASE_URL);
        const { db: inbox } = await connections.database(env.INBOX_DATABASE_URL);
        const streams = connections.redis(env.REDIS_URL).observer();
        return retentionWindows({ pool, outbox, inbox, bus, streams });
      });
      if (json === true) printJson(windows);
      else print(describe(windows));
    });
}

function describe({ outboxes, inboxes, outbox, inbox }: RetentionWindows): string {
  const rows = [
    ...outboxes.map(({ source, keepMs }) => ({ what: `outbox ${source}`, keepMs, waitMs: null })),
    ...inboxes.map(({ group, keepMs, longestWaitMs }) => ({
      what: `inbox of ${group}`,
      keepMs,
      waitMs: longestWaitMs,
    })),
  ];
  const windows = table(
    [
      { title: 'WINDOW', text: ({ what }) => what },
      { title: 'KEEPS', text: ({ keepMs }) => duration(keepMs), right: true },
      {
        title: 'LONGEST WAIT',
        text: ({ waitMs }) => (waitMs === null ? '-' : duration(waitMs)),
        right: true,
      },
    ],
    rows,
  );
  return [
    rows.length === 0 ? 'No window is registered yet.' : windows,
    facts([...partitionsOf('outbox', outbox), ...partitionsOf('inbox', inbox)]),
  ].join('\n\n');
}

function* partitionsOf(
  log: string,
  { partitions, oldest, oldestAt, droppableAt, isDue, heldBackBy, heldBackKind }: LogPartitions,
): Iterable<readonly [name: string, value: string]> {
  const count = plural(partitions, 'partition');
  const from = droppableAt === null ? 'without a window' : `may go from ${droppableAt.toISOString()}`;
  yield [log, oldest === null ? count : `${count}, the oldest is ${oldest}, ${age(oldestAt)} old, ${from}`];
  if (heldBackBy !== null) yield ['', `${isDue ? 'held back' : 'would be held back now'}: ${heldBackBy}`];
  if (isDue && heldBackKind !== null) yield ['', `to do: ${whatToDo(heldBackKind)}`];
}

/** As docs/pruning.md has it. */
function whatToDo(kind: string): string {
  const todo: Readonly<Record<string, string>> = {
    unpublished: 'wait; if it lasts, `bus outbox status`',
    parked: '`bus outbox parked` says why; mend that, then `bus outbox retry`',
    unsettled: 'start the group that is named, or archive the stream',
    unrecorded: '`bus reconcile`, then find out who wrote it',
    young: 'wait; or, if an outbox is named, see with its DATABASE_URL what holds that back',
    unknown:
      'start the publisher or runner that is named; if it runs, see with its DATABASE_URL what holds its outbox back. An outbox that is given up for good has to be removed: docs/pruning.md',
    'dead-letter': '`bus dlq` lists it; redrive or discard it',
  };
  return todo[kind] ?? 'see docs/pruning.md';
}
