import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { entryFields } from '../../packages/contracts/src/index.ts';
import type { LetterRecord } from '../../packages/inbox/src/index.ts';

/** What may differ between the letters of a test. */
export interface LetterChange {
  readonly group?: string;
  readonly aggregateId?: string;
  readonly eventType?: string;
  readonly tenantId?: string;
  readonly payload?: string;
  readonly error?: string;
  readonly fingerprint?: string;
}

/** A letter of the event at a position, as it is exported. */
export function letterAt(position: number, change: LetterChange = {}): LetterRecord {
  const { group = 'unordered', aggregateId = `user-${position % 37}`, eventType = 'user.renamed' } = change;
  const { tenantId = 'acme', payload = '{"name":"Ann"}', error = 'Error: no such name' } = change;
  const values: Readonly<Record<string, string>> = {
    event_id: randomUUID(),
    source: 'test',
    position: String(position),
    event_type: eventType,
    event_version: '1',
    aggregate_type: 'user',
    aggregate_id: aggregateId,
    tenant_id: tenantId,
    actor_id: 'ann',
    occurred_at: '2026-01-02T03:04:05.678901Z',
    payload,
  };
  return {
    group,
    eventId: values.event_id ?? '',
    replayId: '',
    occurredAt: '2026-01-02T03:04:05.678901Z',
    state: 'dead',
    kind: 'attempts',
    reason: 'attempts used up',
    error,
    stack: '',
    fingerprint: change.fingerprint ?? '0123456789ab',
    attempts: 3,
    history: [{ at: 1_767_000_000_000, consumer: 'runner-1', error }],
    deliveries: 3,
    consumer: 'runner-1',
    firstDeliveredAt: '2026-01-02T03:04:06.000000Z',
    deadAt: '2026-01-02T03:04:07.000000Z',
    behind: null,
    stream: 'events:user',
    streamId: `1767000000000-${position}`,
    fields: Object.fromEntries(entryFields.map((name) => [name, values[name] ?? ''])),
    source: 'test',
    position: String(position),
    eventType,
    aggregateType: 'user',
    aggregateId,
    tenantId,
    traceId: '',
    redrives: 0,
    redrivenAt: null,
    resolvedAt: null,
  };
}

/** Letters at the positions from 1 to `count`. */
export function lettersTo(
  count: number,
  change: (position: number) => LetterChange = () => ({}),
): LetterRecord[] {
  return Array.from({ length: count }, (_, index) => letterAt(index + 1, change(index + 1)));
}

/** Writes letters to a file as `bus dlq export` does. */
export async function writeLetterFile(path: string, letters: readonly unknown[]): Promise<void> {
  await writeFile(path, letters.map((letter) => `${JSON.stringify(letter)}\n`).join(''));
}
