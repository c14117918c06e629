import type { ContractIssue } from '@event-bus/contracts';
import type { LetterRecord } from '@event-bus/inbox';
import { z } from 'zod';
import { LetterLineError } from '../errors.ts';

/** What of a bus a letter must fit. */
export interface KnownPlaces {
  /** Those whose inbox is in the database. */
  readonly groups: ReadonlySet<string>;
  readonly streams: ReadonlySet<string>;
}

// PostgreSQL stores neither in a text.
const text = z.string().refine((value) => value.isWellFormed() && !value.includes('\0'), {
  error: 'must not hold NUL or half a surrogate pair',
});
const uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, { error: 'must be a UUID' });
const instant = z.iso.datetime({ error: 'must be a date and time such as 2026-01-31T12:00:00.123456Z' });
const count = z.int().min(0).max(2_147_483_647);

const letter = z.strictObject({
  group: text,
  eventId: uuid,
  replayId: text,
  occurredAt: instant,
  state: z.enum(['dead', 'redriving'], { error: 'must be dead or redriving' }),
  kind: text,
  reason: text,
  error: text,
  stack: text,
  fingerprint: text,
  attempts: count,
  history: z.array(z.strictObject({ at: z.number(), consumer: text, error: text })),
  deliveries: count,
  consumer: text,
  firstDeliveredAt: instant,
  deadAt: instant,
  behind: uuid.nullable(),
  stream: text,
  streamId: text,
  fields: z.record(z.string(), z.string()),
  source: text,
  position: z
    .string()
    .regex(/^[1-9]\d{0,18}$/, { error: 'must be a positive 64-bit integer' })
    .refine((digits) => BigInt(digits) < 2n ** 63n, { error: 'must be a positive 64-bit integer' })
    .nullable(),
  eventType: text,
  aggregateType: text,
  aggregateId: text,
  tenantId: text,
  traceId: text,
  redrives: count,
  redrivenAt: instant.nullable(),
  resolvedAt: instant.nullable(),
});

/** What stands beside the fields of the entry is taken from them. */
const derived = [
  ['source', 'source'],
  ['eventType', 'event_type'],
  ['aggregateType', 'aggregate_type'],
  ['aggregateId', 'aggregate_id'],
  ['tenantId', 'tenant_id'],
  ['position', 'position'],
] as const;

/** Writes a letter as a line of a file, without its end. */
export function toLetterLine(record: LetterRecord): string {
  return JSON.stringify(record);
}

/**
 * Reads a line of a file of letters.
 * @throws LetterLineError naming every field that does not fit.
 */
export function parseLetterLine(line: string, number: number, known: KnownPlaces): LetterRecord {
  const parsed = letter.safeParse(parseJson(line, number));
  if (!parsed.success) {
    throw new LetterLineError(
      number,
      parsed.error.issues.map(({ path, message }) => ({ path: path.join('.') || 'line', message })),
    );
  }
  const issues = [...placeIssues(parsed.data, known), ...derivedIssues(parsed.data)];
  if (issues.length > 0) throw new LetterLineError(number, issues);
  return parsed.data;
}

function parseJson(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new LetterLineError(number, [{ path: 'line', message: `is not JSON: ${why}` }]);
  }
}

function* placeIssues(
  { group, stream }: LetterRecord,
  { groups, streams }: KnownPlaces,
): Iterable<ContractIssue> {
  if (!groups.has(group)) {
    const others = groups.size === 0 ? 'no group has' : `those that have are ${[...groups].join(', ')}`;
    yield { path: 'group', message: `${group} has no inbox in this database; ${others}` };
  }
  if (!streams.has(stream)) yield { path: 'stream', message: `${stream} is no stream of a registered topic` };
}

function* derivedIssues(record: LetterRecord): Iterable<ContractIssue> {
  for (const [path, field] of derived) {
    const own = record[path];
    const entry = (record.fields[field] ?? '').replaceAll('\0', '\uFFFD').toWellFormed();
    // A foreign entry may have a position that is none.
    const isSame = own === null ? !/^[1-9]\d{0,18}$/.test(entry) : own === entry;
    if (!isSame) yield { path, message: `must be what fields.${field} is` };
  }
}
