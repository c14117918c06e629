import { compareEntryIds } from '@event-bus/transport';
import { flawOf } from '../layout/entry-id.ts';

/** The format that is written. A later one gets the next number. */
export const SCHEMA = 1;

/** What an object says of itself. */
export interface ObjectDescription {
  readonly schema: number;
  readonly stream: string;
  /**
   * Exclusive. Every entry that the stream had behind this ID, up to `lastId`, is in the object: so objects join
   * without a gap where one's `after` is not above the end of those before it.
   */
  readonly after: string;
  readonly firstId: string;
  readonly lastId: string;
  /** How many entries. */
  readonly count: number;
  /** Of the lines, uncompressed. */
  readonly contentBytes: number;
  /** Hex, of the lines, uncompressed: two objects with the same entries have the same, however they were packed. */
  readonly contentSha256: string;
}

/** Reads a description; the text says what is wrong with it. A later format is read as far as its number. */
export function parseDescription(json: string): ObjectDescription | { readonly schema: unknown } | string {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return 'its description is not JSON';
  }
  if (typeof value !== 'object' || value === null || !('schema' in value))
    return 'its description has no schema';
  if (value.schema !== SCHEMA) return { schema: value.schema };
  return isDescription(value) ? value : 'its description is incomplete';
}

/** Whether the description is of the format that this program knows. */
export function isKnown(
  description: ObjectDescription | { readonly schema: unknown },
): description is ObjectDescription {
  return description.schema === SCHEMA;
}

function isDescription(value: object): value is ObjectDescription {
  const { stream, after, firstId, lastId, count, contentBytes, contentSha256 } = value as ObjectDescription;
  const ids = [after, firstId, lastId];
  return (
    typeof stream === 'string' &&
    ids.every((id) => typeof id === 'string' && flawOf(id) === undefined) &&
    compareEntryIds(after, firstId) < 0 &&
    compareEntryIds(firstId, lastId) <= 0 &&
    [count, contentBytes].every(Number.isSafeInteger) &&
    typeof contentSha256 === 'string'
  );
}
