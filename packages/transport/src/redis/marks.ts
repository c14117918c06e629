import type { WriterMark } from '../transport.ts';

/** The field of a stream's writers hash that says how far the stream was trimmed on purpose. */
export const TRIMMED = '@trimmed';

/** Reads a mark, which is written as `<entry ID> <event ID>`; `null` if there is none. */
export function parseMark(text: string): WriterMark | null {
  const [entryId, eventId] = text.split(' ');
  return entryId === undefined || eventId === undefined ? null : { entryId, eventId };
}

/** The marks of all sources in a writers hash. */
export function marksOf(writers: Readonly<Record<string, string>>): Map<string, WriterMark> {
  const marks = new Map<string, WriterMark>();
  for (const [source, text] of Object.entries(writers)) {
    const mark = source === TRIMMED ? null : parseMark(text);
    if (mark !== null) marks.set(source, mark);
  }
  return marks;
}
