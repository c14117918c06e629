import { redisConfig } from '@event-bus/config';
import { assertInboxGroup, type LetterSelection } from '@event-bus/operations';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import type { Connections } from '../connections.ts';
import { inboxConfig } from '../inbox-config.ts';
import { parseCount, parseEventId, parseInstant, type RecordOptions, withRecord } from '../options.ts';

type Database = Awaited<ReturnType<Connections['database']>>['db'];

/** What commands that only look ask for. */
export const lookConfig = z.object(inboxConfig);

/** What commands that change something ask for. */
export const changeConfig = lookConfig.extend(redisConfig);

/** The options by which letters are selected. */
export interface SelectionOptions {
  readonly group?: string;
  readonly type?: string;
  readonly fingerprint?: string;
  readonly tenant?: string;
  readonly aggregate?: { readonly type: string; readonly id: string };
  readonly error?: string;
  readonly since?: Date;
  readonly until?: Date;
}

/** The options of commands that take any number of letters, in the order of their events. */
export interface ManyOptions extends SelectionOptions {
  readonly all?: true;
  readonly limit: number;
}

/** The options of commands that change letters. */
export interface ChangeOptions extends ManyOptions, RecordOptions {
  readonly dryRun?: true;
  readonly json?: true;
}

/** Adds the options by which letters are selected; all that are given must fit. */
export function withSelection(command: Command): Command {
  return command
    .option('--group <group>', 'given up by this consumer group')
    .option('--type <event_type>', 'events of this type')
    .option('--fingerprint <fingerprint>', 'failed alike: `bus dlq groups` shows fingerprints')
    .option('--tenant <tenant>', 'events of this tenant')
    .option('--aggregate <type/id>', 'events of this aggregate', parseAggregate)
    .option('--error <text>', 'this stands in the error or the reason, in whatever case')
    .option('--since <when>', 'given up since then: 10m, or 2026-01-31T12:00:00Z', parseInstant)
    .option('--until <when>', 'given up before that', parseInstant);
}

/** Adds what commands take that are about many letters. */
export function withMany(command: Command): Command {
  return withSelection(
    command.argument('[event_id...]', 'these events', (text: string, before: string[] | undefined) => [
      ...(before ?? []),
      parseEventId(text),
    ]),
  )
    .option('--all', 'whatever is dead')
    .option('--limit <n>', 'at most so many, the first in the order of the events', parseCount(1), 1_000_000);
}

/** Adds what commands take that change letters. */
export function withChange(command: Command): Command {
  return withRecord(withMany(command))
    .option('--dry-run', 'only say what would be done')
    .option('--json', 'print JSON for scripts');
}

function parseAggregate(text: string): { readonly type: string; readonly id: string } {
  const slash = text.indexOf('/');
  if (slash > 0) return { type: text.slice(0, slash), id: text.slice(slash + 1) };
  throw new InvalidArgumentError('It must be the type and the ID, as in user/u-1.');
}

/** What a command is to work on; ends the command unless something is selected. */
export function selectionOfMany(
  command: Command,
  eventIds: readonly string[] | undefined,
  options: ManyOptions,
): LetterSelection {
  const selection = toSelection(options, eventIds);
  const isEmpty = Object.values(selection).every((value) => value === undefined);
  if (isEmpty && options.all === undefined) {
    command.error('error: say which: event IDs, --group or another selection, or --all');
  }
  return selection;
}

/** What the options select. */
export function toSelection(
  { group, type, fingerprint, tenant, aggregate, error, since, until }: SelectionOptions,
  eventIds: readonly string[] = [],
): LetterSelection {
  return {
    group,
    eventType: type,
    fingerprint,
    tenantId: tenant,
    aggregate,
    error,
    since,
    until,
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
