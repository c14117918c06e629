import { userInfo } from 'node:os';
import { databaseConfig, redisConfig } from '@event-bus/config';
import { assertInboxGroup, type LetterSelection } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import type { Connections } from '../connections.ts';
import { parseCount, parseEventId } from '../options.ts';

type Database = Awaited<ReturnType<Connections['database']>>['db'];

/** What commands that only look ask for. */
export const lookConfig = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL });

/** What commands that change something ask for. */
export const changeConfig = lookConfig.extend(redisConfig);

/** The options by which letters are selected. */
export interface SelectionOptions {
  readonly group?: string;
  readonly type?: string;
  readonly fingerprint?: string;
  readonly error?: string;
}

/** The options of commands that change something. */
export interface ChangeOptions extends SelectionOptions {
  readonly all?: true;
  readonly dryRun?: true;
  readonly limit: number;
  readonly operator: string;
}

/** Adds the options by which letters are selected; all that are given must fit. */
export function withSelection(command: Command): Command {
  return command
    .option('--group <group>', 'given up by this consumer group')
    .option('--type <event_type>', 'events of this type')
    .option('--fingerprint <fingerprint>', 'failed alike: `bus dlq groups` shows fingerprints')
    .option('--error <text>', 'this stands in the error or the reason, in whatever case');
}

/** Adds what commands that change letters take. */
export function withChange(command: Command): Command {
  return withSelection(
    command.argument('[event_id...]', 'these events', (text: string, before: string[] | undefined) => [
      ...(before ?? []),
      parseEventId(text),
    ]),
  )
    .option('--all', 'whatever is dead')
    .option('--limit <n>', 'at most so many, the first in the order of the events', parseCount(1), 1_000_000)
    .option('--dry-run', 'only say how many it would be')
    .option('--operator <name>', 'on record as who did it', userInfo().username);
}

/** What a command that changes letters is to work on; ends the command unless something is selected. */
export function selectionToChange(
  command: Command,
  eventIds: readonly string[],
  options: ChangeOptions,
): LetterSelection {
  const selection = toSelection(options, eventIds);
  const isEmpty = Object.values(selection).every((value) => value === undefined);
  if (isEmpty && options.all === undefined) {
    command.error('error: say which: event IDs, --group, --type, --fingerprint, --error, or --all');
  }
  return selection;
}

/** What the options select. */
export function toSelection(
  { group, type, fingerprint, error }: SelectionOptions,
  eventIds: readonly string[] = [],
): LetterSelection {
  return {
    group,
    eventType: type,
    fingerprint,
    error,
    eventIds: eventIds.length === 0 ? undefined : eventIds,
  };
}

/** Opens the database. @throws UnknownGroupError a group is selected that does not exist. */
export async function openLetters(
  connections: Connections,
  url: Parameters<Connections['database']>[0],
  { group }: LetterSelection,
): Promise<Database> {
  const { db } = await connections.database(url);
  if (group !== undefined) await assertInboxGroup(db, group);
  return db;
}
