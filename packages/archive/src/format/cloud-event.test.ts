import { ENTRY_FIELDS, namedFields } from '@event-bus/transport';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromCloudEvent, toCloudEvent } from './cloud-event.ts';

const id = '1790000000000-7';
const usual = namedFields([
  '7d4c9a52-6a1f-4f0e-9a43-3f1f6d1b7e11',
  'billing',
  '42',
  'user.created',
  '2',
  'user',
  'u-1',
  'acme',
  'alice',
  '2026-11-23T10:00:00.123456Z',
  '{"email": "a@example.com", "n": 1.0}',
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  '',
  'c-1',
  '',
]);

const roundTrip = (fields: Readonly<Record<string, string>>) =>
  fromCloudEvent(toCloudEvent('events:user', { id, fields }));

describe('an entry as a CloudEvent', () => {
  test('has its fields as attributes and its payload as data, to the byte', () => {
    expect(toCloudEvent('events:user', { id, fields: usual })).toBe(
      '{"specversion":"1.0","id":"7d4c9a52-6a1f-4f0e-9a43-3f1f6d1b7e11","source":"billing","type":"user.created",' +
        '"subject":"u-1","time":"2026-11-23T10:00:00.123456Z","eventversion":"2","position":"42",' +
        '"aggregatetype":"user","tenantid":"acme","actorid":"alice",' +
        '"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","correlationid":"c-1",' +
        '"entryid":"1790000000000-7","datacontenttype":"application/json",' +
        '"data":{"email": "a@example.com", "n": 1.0}}',
    );
    expect(roundTrip(usual)).toEqual({ id, fields: usual });
  });

  test('has attributes that CloudEvents allows, in whatever entry', () => {
    const line = toCloudEvent('events:user', { id, fields: { source: 'not a URI', x: '\u0000' } });

    const event = JSON.parse(line) as Record<string, string>;
    expect(event).toEqual({
      specversion: '1.0',
      id,
      source: 'events%3Auser',
      type: 'unknown',
      entryid: id,
      rawfields: expect.stringContaining('"x":"\\u0000"') as string,
    });
    for (const name of Object.keys(event)) expect(name).toMatch(/^[a-z0-9]{1,20}$/);
  });

  const payloads = [
    '',
    '{}',
    'null',
    ' {"a":1} ',
    '{"a":1,"a":2}',
    '1e400',
    '123456789012345678901234567890',
    '{\n  "a": 1\r\n}\n',
    '"\\ud800"',
    '{"s":"\u2028\u2029"}',
    '"}"',
    '",\\"data\\":"',
    '{"data":{"data":1}}',
    'not json',
    '{"a":1',
    '{"a":1}}',
    '"a\nb"',
    '\u0000',
    '\ud800',
    'text/plain',
  ];
  test.each(payloads)('gives the payload %j back as it was', (payload) => {
    const line = toCloudEvent('events:user', { id, fields: { ...usual, payload } });

    expect(fromCloudEvent(line).fields).toEqual({ ...usual, payload });
    expect(line).not.toMatch(/[\r\n]/);
    const data = (JSON.parse(line) as { data?: unknown }).data;
    const isJson = isParsable(payload) && payload.isWellFormed();
    if (payload !== '') expect(data).toEqual(isJson ? JSON.parse(payload) : payload);
  });

  test.each(ENTRY_FIELDS)('tells a missing %s from an empty one', (field) => {
    const { [field]: _, ...missing } = usual;

    expect(roundTrip(missing).fields).toEqual(missing);
    expect(roundTrip({ ...usual, [field]: '' }).fields).toEqual({ ...usual, [field]: '' });
  });

  test.each([
    '2026-11-23 10:00:00+00',
    '2026-02-30T10:00:00Z',
    '2026-13-01T10:00:00Z',
    '2026-11-23T24:00:00Z',
    'yesterday',
  ])('does not call %s a time', (occurred_at) => {
    const line = toCloudEvent('events:user', { id, fields: { ...usual, occurred_at } });

    expect(JSON.parse(line)).not.toHaveProperty('time');
    expect(fromCloudEvent(line).fields.occurred_at).toBe(occurred_at);
  });

  test('comes back exactly, whatever the fields are', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.json(),
      fc.constantFrom(...payloads),
      // Any UTF-16, lone surrogates too.
      fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
    );
    const standard = fc.record(Object.fromEntries(ENTRY_FIELDS.map((name) => [name, text])), {
      requiredKeys: [],
    });
    const foreign = fc.dictionary(
      fc.oneof(text, fc.constantFrom('replay_id', '__proto__', 'data', 'id', '0')),
      text,
      {
        maxKeys: 4,
      },
    );
    fc.assert(
      fc.property(standard, foreign, fc.boolean(), (some, others, isUsual) => {
        const all = [
          ...Object.entries(others),
          ...Object.entries(isUsual ? usual : {}),
          ...Object.entries(some),
        ];
        const fields = Object.fromEntries(all) as Record<string, string>;
        const line = toCloudEvent('events:user', { id, fields });

        expect(line).not.toMatch(/[\r\n]/);
        expect(line.isWellFormed()).toBe(true);
        expect(JSON.parse(line)).toMatchObject({ specversion: '1.0', entryid: id });
        const found = fromCloudEvent(line);
        expect(found.id).toBe(id);
        expect(new Map(Object.entries(found.fields))).toEqual(new Map(Object.entries(fields)));
      }),
      { numRuns: 300 },
    );
  });

  test.each(['', '{', '[]', '{}', '{"entryid":1}', 'null', '{"entryid":"1-1","rawfields":"x"}'])(
    'refuses the line %j',
    (line) => {
      expect(() => fromCloudEvent(line)).toThrow(SyntaxError);
    },
  );
});

function isParsable(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
