import { describe, expect, test } from 'vitest';
import { entryFields, parseEntry } from './entry.ts';
import { MalformedEntryError, UndecodableEventError } from './errors.ts';
import { parseTimestamp } from './timestamp.ts';

const fields = {
  event_id: '0197b3c2-3f3d-7c11-8a53-2d1a6b4de001',
  source: 'accounts',
  position: '9007199254740993',
  event_type: 'user.created',
  event_version: '2',
  aggregate_type: 'user',
  aggregate_id: 'u-1',
  tenant_id: 't-1',
  actor_id: 'a-1',
  occurred_at: '2026-11-23T10:00:00.123456Z',
  payload: '{}',
  traceparent: '',
  tracestate: '',
  correlation_id: '',
  causation_id: '',
};

function errorOf(entry: Record<string, string>): MalformedEntryError {
  try {
    parseEntry(entry);
  } catch (error) {
    if (error instanceof MalformedEntryError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('parseEntry', () => {
  test('reads the fields of an entry as text', () => {
    expect(parseEntry({ ...fields, replay_id: 'r-1', unknown: 'ignored' })).toEqual({
      eventId: fields.event_id,
      source: 'accounts',
      position: '9007199254740993',
      eventType: 'user.created',
      eventVersion: '2',
      aggregateType: 'user',
      aggregateId: 'u-1',
      tenantId: 't-1',
      actorId: 'a-1',
      occurredAt: '2026-11-23T10:00:00.123456Z',
      payload: '{}',
      traceparent: '',
      tracestate: '',
      correlationId: '',
      causationId: '',
      replayId: 'r-1',
    });
    expect(parseEntry(fields).replayId).toBe('');
  });

  test.each(entryFields)('names the field %s if it is missing', (field) => {
    const { [field]: _, ...rest } = fields;

    expect(errorOf(rest).issues).toEqual([{ path: field, message: 'is missing' }]);
  });

  test.each([
    ['event_id', 'seven'],
    ['source', ' '],
    ['position', '0'],
    ['position', '-1'],
    ['position', '1.5'],
    ['position', '9223372036854775808'],
    ['event_type', 'User Created'],
    ['event_version', '0'],
    ['event_version', '1e1'],
    ['event_version', '2147483648'],
    ['aggregate_type', ''],
    ['aggregate_id', ''],
    ['tenant_id', ''],
    ['actor_id', '  '],
    ['occurred_at', 'yesterday'],
    ['occurred_at', '2026-11-23T10:00:00'],
  ])('names the field %s if it is %j', (field, bad) => {
    expect(errorOf({ ...fields, [field]: bad }).issues.map((issue) => issue.path)).toEqual([field]);
  });

  test('says what a foreign entry lacks, as an error that no retry can mend', () => {
    const error = errorOf({ hello: 'world', event_type: 'user.created' });

    expect(error).toBeInstanceOf(UndecodableEventError);
    expect(error.code).toBe('malformed_entry');
    expect(error.message).toBe(
      'user.created (event without id): not an event entry: event_id: is missing; source: is missing; ' +
        'position: is missing; event_version: is missing; aggregate_type: is missing; and 9 more',
    );
  });
});

describe('parseTimestamp', () => {
  test.each([
    ['2026-11-23T10:00:00.123456Z', '2026-11-23T10:00:00.123Z'],
    ['2026-11-23 10:00:00.123456+00', '2026-11-23T10:00:00.123Z'],
    ['2026-11-23 10:00:00+05:30', '2026-11-23T04:30:00.000Z'],
    ['2026-11-23T10:00:00-0800', '2026-11-23T18:00:00.000Z'],
  ])('reads %s', (text, instant) => {
    expect(parseTimestamp(text)?.toISOString()).toBe(instant);
  });

  test.each(['', '2026-11-23', '2026-02-30T10:00:00Z', '2026-11-23 10:00:00', 'infinity', '1764000000'])(
    'does not read %j',
    (text) => {
      expect(parseTimestamp(text)).toBeUndefined();
    },
  );
});
