import type { FailedAttempt, FailureRecord } from '../transport.ts';

const latestInstant = 8.64e15;
/** One attempt more is to be an integer of PostgreSQL still. */
const mostAttempts = 2 ** 31 - 2;

/**
 * Reads a recorded failure; `null` if there is none, or one that cannot be read. Whoever can write to the server may have
 * written it: a part that is not of its kind counts as not said.
 */
export function parseFailure(json: string | null): FailureRecord | null {
  const record = parseObject(json ?? '');
  if (typeof record?.eventId !== 'string') return null;
  return {
    eventId: record.eventId,
    attempts: count(record.attempts),
    final: record.final === true,
    isOwn: record.isOwn === true,
    kind: text(record.kind, 'unknown'),
    reason: text(record.reason, 'its failure record says no reason'),
    error: text(record.error),
    stack: text(record.stack),
    history: history(record.history),
    firstDeliveredAt: instant(record.firstDeliveredAt),
    failedAt: instant(record.failedAt),
    dueAt: instant(record.dueAt),
  };
}

/** Half a surrogate pair would make a text that the scripts cannot read. */
export function stringifyFailure(record: FailureRecord): string {
  return JSON.stringify(record, (_, value: unknown) =>
    typeof value === 'string' ? value.toWellFormed() : value,
  );
}

function parseObject(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return asObject(JSON.parse(json));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? { ...value } : undefined;
}

function text(value: unknown, otherwise = ''): string {
  return typeof value === 'string' ? value : otherwise;
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= mostAttempts
    ? value
    : 0;
}

function instant(value: unknown): number {
  return typeof value === 'number' && value >= 0 && value <= latestInstant ? value : 0;
}

function history(value: unknown): FailedAttempt[] {
  if (!Array.isArray(value)) return [];
  return value.map((attempt: unknown) => {
    const { at, consumer, error } = asObject(attempt) ?? {};
    return { at: instant(at), consumer: text(consumer), error: text(error) };
  });
}
