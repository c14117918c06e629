import { ENTRY_FIELDS, type EntryValues } from './entry.ts';
import { CommandRejectedError } from './errors.ts';

const EVENT_ID = ENTRY_FIELDS.indexOf('event_id');
const SOURCE = ENTRY_FIELDS.indexOf('source');

function fault(source: string, entries: readonly EntryValues[]): string | null {
  // '@trimmed' stands beside the sources in the same hash.
  if (!/^[^@\s]\S*$/.test(source)) return `the source ${JSON.stringify(source)} is not a name`;
  if (entries.length === 0) return 'it has no entries';
  for (const [index, values] of entries.entries()) {
    if (values.length !== ENTRY_FIELDS.length) {
      return `entry ${index} has ${values.length} values instead of ${ENTRY_FIELDS.length}`;
    }
    // The mark is written as '<entry ID> <event ID>'.
    if (!/^\S+$/.test(values[EVENT_ID] ?? '')) return `entry ${index} has no proper event_id`;
    if (values[SOURCE] !== source) return `entry ${index} is of the source ${values[SOURCE]}`;
  }
  return null;
}

/**
 * Refuses a batch that could not be recognised again in the stream.
 * @throws CommandRejectedError
 */
export function assertBatch(stream: string, source: string, entries: readonly EntryValues[]): void {
  const found = fault(source, entries);
  if (found !== null) {
    throw new CommandRejectedError(`a batch of ${source} for ${stream} cannot be written: ${found}`);
  }
}

/** The event ID of an entry's values. */
export function eventIdOf(values: EntryValues): string {
  return values[EVENT_ID] ?? '';
}

/** The values of an entry without its source, in their order. */
export function valuesWithoutSource(values: EntryValues): string[] {
  return values.toSpliced(SOURCE, 1);
}

/** A script can hand so many names and values to one command, and some thousand more. */
const MOST_FIELDS = 1000;

/**
 * The fields of an entry as a script can add them: all of them, or of one with thousands, which is no event of ours, those
 * that events have.
 */
export function addableFields(fields: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (Object.keys(fields).length <= MOST_FIELDS) return fields;
  const kept = [...ENTRY_FIELDS, 'replay_id'].filter((name) => Object.hasOwn(fields, name));
  return Object.fromEntries(kept.map((name) => [name, fields[name] ?? '']));
}

/**
 * Refuses entries that no script could add.
 * @throws CommandRejectedError
 */
export function assertAddable(
  key: string,
  entries: readonly { readonly fields: Readonly<Record<string, string>> }[],
): void {
  for (const [index, { fields }] of entries.entries()) {
    const count = Object.keys(fields).length;
    if (count > MOST_FIELDS) {
      throw new CommandRejectedError(
        `entry ${index} cannot be added to ${key}: it has ${count} fields, and at most ${MOST_FIELDS} are possible`,
      );
    }
  }
}
