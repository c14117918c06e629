import type { WriterMark } from '../transport.ts';

/** The field of a stream's writers hash that says how far the stream was trimmed on purpose. */
export const TRIMMED = '@trimmed';

/** Reads a mark, which is written as `<entry ID> <event ID>`; `null` if there is none. */
export function parseMark(text: string): WriterMark | null {
  const [entryId, eventId] = text.split(' ');
  return entryId === undefined || eventId === undefined ? null : { entryId, eventId };
}
