import { namedFields, type StreamEntry } from '@event-bus/transport';

/** The beginning of an hour: 2026-09-21T14:00:00Z. */
export const HOUR = 1_789_999_200_000;
export const STREAM = 'events:user';

/** An event as a publisher writes it, under this entry ID. */
export function eventAt(id: string, change: Readonly<Record<string, string>> = {}): StreamEntry {
  const fields = namedFields([
    `event-${id}`,
    'billing',
    '7',
    'user.renamed',
    '1',
    'user',
    `u-${id}`,
    'acme',
    'alice',
    '2026-09-21T14:00:00.123456Z',
    `{"name": "Ann", "of":"${id}"}`,
    '',
    '',
    '',
    '',
  ]);
  return { id, fields: { ...fields, ...change } };
}

/** So many events, one after the other, `stepMs` apart. */
export function* events(count: number, { fromMs = HOUR, stepMs = 1_000 } = {}): Generator<StreamEntry> {
  for (let n = 0; n < count; n += 1) yield eventAt(`${fromMs + n * stepMs}-${n}`);
}
