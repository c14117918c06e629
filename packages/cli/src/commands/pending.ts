import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import {
  listPending,
  type PendingState,
  pendingStates,
  type StreamUnreadableError,
  type WaitingEntry,
} from '@event-bus/operations';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import type { SetStatus } from '../exit-status.ts';
import { duration, plural, text, whyText } from '../format.ts';
import { parseCount, withJson } from '../options.ts';
import { print, printError, printJsonItems } from '../output.ts';
import { table } from '../table.ts';
import { tellUnreadable } from '../unreadable.ts';

const config = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL, ...redisConfig });

interface PendingOptions {
  readonly state?: PendingState;
  readonly limit?: number;
  readonly json?: true;
}

const usualLimit = 100;

/** `bus pending` */
export function addPending(program: Command, setStatus: SetStatus): void {
  withJson(program.command('pending').argument('[group]', 'only this group; all unless given'))
    .summary('list what groups were handed and have not settled, and why')
    .description(
      'Lists pending entries by group and stream, the oldest first: who holds them, how often they were delivered, why the ' +
        'last attempt failed and when the next one is.\n' +
        'in-flight: with a runner, or handed back by one; retrying: failed, and to be tried again; given-up: failed for good, ' +
        'waits for the dlq-mover; vanished: no longer in its stream. What was not handed out yet is the LAG of `bus groups`.',
    )
    .addOption(new Option('--state <state>', 'only entries in this state').choices(pendingStates))
    .option('--limit <n>', `list at most so many (default: ${usualLimit}; with --json all)`, parseCount(1))
    .addHelpText('after', '\nExample:\n  $ bus pending welcome-email --state retrying')
    .action(async (group: string | undefined, { state, limit, json }: PendingOptions) => {
      const env = loadConfig(config, process.env);
      await withConnections(async (connections) => {
        const { db: bus } = await connections.database(env.BUS_DATABASE_URL);
        const observer = connections.redis(env.REDIS_URL).observer();
        const unreadable: StreamUnreadableError[] = [];
        const all = listPending({ bus, observer }, group, (error) => unreadable.push(error));
        const entries = inState(all, state);
        if (json === true) await printJsonItems(upTo(entries, limit ?? Number.POSITIVE_INFINITY));
        else await printTable(entries, limit ?? usualLimit);
        tellUnreadable(unreadable, setStatus);
      });
    });
}

async function printTable(entries: AsyncIterable<WaitingEntry>, limit: number): Promise<void> {
  const shown: WaitingEntry[] = [];
  let others = 0;
  for await (const entry of entries) {
    if (shown.length < limit) shown.push(entry);
    else others += 1;
  }
  print(shown.length === 0 ? 'Nothing is pending.' : table(columns, shown));
  if (others > 0)
    printError(`${plural(others, 'more pending entry', 'more pending entries')}: raise --limit.`);
}

async function* inState(
  entries: AsyncIterable<WaitingEntry>,
  state: PendingState | undefined,
): AsyncGenerator<WaitingEntry> {
  for await (const entry of entries) if (state === undefined || entry.state === state) yield entry;
}

async function* upTo(entries: AsyncIterable<WaitingEntry>, limit: number): AsyncGenerator<WaitingEntry> {
  let count = 0;
  for await (const entry of entries) {
    yield entry;
    count += 1;
    if (count >= limit) return;
  }
}

const columns = [
  { title: 'GROUP', text: ({ group }: WaitingEntry) => group },
  {
    title: 'STREAM',
    text: ({ stream, isInjected }: WaitingEntry) => (isInjected ? `${stream} (injected)` : stream),
  },
  { title: 'ENTRY', text: ({ entryId }: WaitingEntry) => entryId },
  { title: 'EVENT', text: ({ eventId }: WaitingEntry) => text(eventId) },
  { title: 'TYPE', text: ({ eventType }: WaitingEntry) => text(eventType) },
  { title: 'STATE', text: ({ state }: WaitingEntry) => state },
  { title: 'HOLDER', text: ({ consumer }: WaitingEntry) => text(consumer) },
  { title: 'IDLE', text: ({ idleMs }: WaitingEntry) => duration(idleMs), right: true },
  { title: 'DELIVERIES', text: ({ deliveries }: WaitingEntry) => String(deliveries), right: true },
  { title: 'ATTEMPTS', text: ({ failure }: WaitingEntry) => String(failure?.attempts ?? 0), right: true },
  { title: 'NEXT', text: nextAttempt },
  { title: 'FAILURE', text: lastFailure },
];

function nextAttempt({ failure }: WaitingEntry): string {
  const at = failure?.nextAttemptAt ?? null;
  if (at === null) return '-';
  const inMs = at.getTime() - Date.now();
  return inMs > 0 ? `in ${duration(inMs)}` : 'now';
}

function lastFailure({ failure }: WaitingEntry): string {
  return failure === null ? '-' : whyText(failure);
}
