import { duration as durationText } from '@event-bus/config';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { duration } from './format.ts';
import { thisUser } from './this-user.ts';

/** Adds `--json`, which every listing has. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON for scripts');
}

/** Adds `--operator`, which every command has that leaves a record. */
export function withOperator(command: Command): Command {
  return command.option('--operator <name>', 'on record as who did it', thisUser());
}

/** Reads a duration such as `30s`, in milliseconds. */
export function parseDuration(text: string): number {
  const parsed = durationText().safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`It must be a duration with its unit: 250ms, 10s, 5m, 2h or 7d.`);
}

/** Reads an instant: how long ago it was, or its date and time. */
export function parseInstant(text: string): Date {
  const ago = durationText().safeParse(text);
  if (ago.success) return new Date(Date.now() - ago.data);
  const instant = new Date(/^\d{4}-/.test(text) ? text : Number.NaN);
  if (!Number.isNaN(instant.getTime())) return instant;
  throw new InvalidArgumentError(
    'It must be how long ago, such as 10m or 7d, or a date and time such as 2026-01-31T12:00:00Z.',
  );
}

/** Reads a whole number of at least `min`. */
export function parseCount(min: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,9}$/.test(text) && Number(text) >= min) return Number(text);
    throw new InvalidArgumentError(`It must be a whole number of at least ${min}.`);
  };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Reads a UUID. */
export function parseEventId(text: string): string {
  if (uuid.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError('It must be an event ID, which is a UUID.');
}

/** What commands that change something put on record. */
export interface RecordOptions {
  readonly operator: string;
  readonly reason?: string;
}

/** Adds `--reason` and `--operator`, for a record that need not give a reason. */
export function withRecord(command: Command): Command {
  return withOperator(command.option('--reason <text>', 'why, for the record'));
}

/** What is put on record. */
export function toRecord({
  operator,
  reason = null,
}: {
  readonly operator: string;
  readonly reason?: string | null;
}) {
  return { operator, reason };
}

/** Reads the ID of a replay. */
export function parseReplayId(text: string): string {
  if (uuid.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError('It must be the ID of a replay, which is a UUID.');
}

/** Reads the ID of a stream's entry. */
export function parseEntryId(text: string): string {
  if (/^(0|[1-9]\d{0,14})-(0|[1-9]\d{0,18})$/.test(text)) return text;
  throw new InvalidArgumentError('It must be the ID of an entry: <milliseconds>-<sequence>.');
}

/** `--timeout`, which is in milliseconds once it is read. */
export function timeoutOption(description: string, defaultMs: number): Option {
  return new Option('--timeout <duration>', description)
    .argParser(parseDuration)
    .default(defaultMs, duration(defaultMs));
}
