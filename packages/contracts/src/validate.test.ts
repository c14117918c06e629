import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createCatalog } from './catalog.ts';
import { defineEvent } from './define-event.ts';
import { defineTopic } from './define-topic.ts';
import { ContractViolationError } from './errors.ts';
import type { NewEvent } from './event.ts';
import { userCreated } from './user.ts';
import { type ValidateOptions, validateNewEvent } from './validate.ts';

const facts = { aggregateId: 'u-1', tenantId: 't-1', actorId: 'a-1' };
const valid = userCreated({ ...facts, payload: { email: 'ada@example.org', name: 'Ada' } });
const anything = defineEvent(defineTopic('anything'), 'anything.happened', {
  version: 1,
  payload: z.unknown(),
});
const invoiceSent = defineEvent(defineTopic('invoice'), 'invoice.sent', {
  version: 1,
  payload: z.object({
    sentAt: z.iso.datetime().transform((text) => new Date(text)),
    copies: z.int().default(1),
    note: z.string().optional(),
    lines: z.array(z.object({ sku: z.string() })).optional(),
    labels: z.record(z.string(), z.object({ color: z.string() })).optional(),
    extra: z.looseObject({}).optional(),
  }),
});
const catalog = createCatalog([anything, invoiceSent]);

function violationOf(event: NewEvent, options?: ValidateOptions): ContractViolationError {
  try {
    validateNewEvent(event, options);
  } catch (error) {
    if (error instanceof ContractViolationError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('validateNewEvent', () => {
  test('encodes an event that fits', () => {
    const encoded = validateNewEvent(valid);

    expect(encoded).toEqual({
      ...facts,
      eventType: 'user.created',
      eventVersion: 2,
      aggregateType: 'user',
      payloadText: '{"email":"ada@example.org","name":"Ada"}',
    });
  });

  test('passes on the id, the time and the correlation it is given', () => {
    const given = {
      eventId: '0197b3c2-3f3d-7c11-8a53-2d1a6b4de001',
      occurredAt: new Date('2026-01-01T00:00:00Z'),
      correlationId: 'order-1',
      causationId: 'event-7',
    };

    expect(validateNewEvent({ ...valid, ...given })).toMatchObject(given);
  });

  test('names the path of a payload that does not fit its schema', () => {
    const error = violationOf({ ...valid, payload: { email: 'not an address', name: 'Ada' } });

    expect(error.message).toBe('user.created: payload.email: Invalid email address');
    expect(error.code).toBe('contract_violation');
    expect(error.eventType).toBe('user.created');
    expect(error.issues).toEqual([{ path: 'payload.email', message: 'Invalid email address' }]);
  });

  test('names every fault at once', () => {
    const error = violationOf({
      ...valid,
      tenantId: ' ',
      actorId: '',
      payload: { email: 'ada@example.org' },
    });

    expect(error.issues.map((issue) => issue.path)).toEqual(['tenantId', 'actorId', 'payload.name']);
  });

  test.each(['aggregateId', 'tenantId', 'actorId'] as const)('refuses an event without %s', (field) => {
    for (const bad of ['', '  ', undefined, null, 7, 'x'.repeat(513), 'a\0b', '\ud800']) {
      const error = violationOf({ ...valid, [field]: bad } as NewEvent);

      expect(error.issues.map((issue) => issue.path)).toEqual([field]);
    }
  });

  test.each([
    ['eventId', 'seven'],
    ['occurredAt', new Date(Number.NaN)],
    ['occurredAt', new Date('+010000-01-01T00:00:00Z')],
    ['occurredAt', '2026-01-01'],
    ['correlationId', ''],
    ['causationId', 'a\0b'],
  ])('refuses an unusable %s', (field, bad) => {
    const error = violationOf({ ...valid, [field]: bad } as NewEvent);

    expect(error.issues.map((issue) => issue.path)).toEqual([field]);
  });

  test('refuses a type, a version and a topic that the catalogue does not know', () => {
    expect(violationOf({ ...valid, type: 'user.crated' }).issues).toEqual([
      { path: 'type', message: 'is not in the catalogue; define the event and add it there' },
    ]);
    expect(violationOf({ ...valid, version: 9 }).issues).toEqual([
      { path: 'version', message: 'version 9 is not in the catalogue; the newest is 2' },
    ]);
    expect(violationOf({ ...valid, aggregateType: 'project' }).issues).toEqual([
      { path: 'aggregateType', message: 'must be "user", the topic of this event' },
    ]);
  });

  test('refuses a payload above the limit, counted in bytes of its JSON text', () => {
    const textOfTenBytes = 'äöü€"'; // 2 + 2 + 2 + 3 + 2 bytes as JSON, and two quotes: 13
    const event = anything({ ...facts, payload: textOfTenBytes });

    expect(validateNewEvent(event, { catalog, maxPayloadBytes: 13 }).payloadText).toBe('"äöü€\\""');
    expect(violationOf(event, { catalog, maxPayloadBytes: 12 }).message).toContain(
      'anything.happened: payload: is 13 bytes of JSON, more than the 12 allowed',
    );
  });

  test('allows 256 KiB unless told otherwise', () => {
    const largest = anything({ ...facts, payload: 'x'.repeat(256 * 1024 - 2) });
    const larger = anything({ ...facts, payload: 'x'.repeat(256 * 1024 - 1) });

    expect(validateNewEvent(largest, { catalog }).payloadText).toHaveLength(256 * 1024);
    expect(() => validateNewEvent(larger, { catalog })).toThrow(ContractViolationError);
  });

  test('stores what the producer gave, not what the schema makes of it', () => {
    const event = invoiceSent({ ...facts, payload: { sentAt: '2026-01-01T00:00:00Z' } });

    const { payloadText } = validateNewEvent(event, { catalog });

    expect(payloadText).toBe('{"sentAt":"2026-01-01T00:00:00Z"}');
    expect(invoiceSent.payload.parse(JSON.parse(payloadText))).toEqual({
      sentAt: new Date('2026-01-01T00:00:00Z'),
      copies: 1,
    });
  });

  test('takes an undefined property for an absent one', () => {
    const event = invoiceSent({ ...facts, payload: { sentAt: '2026-01-01T00:00:00Z', note: undefined } });

    expect(validateNewEvent(event, { catalog }).payloadText).toBe('{"sentAt":"2026-01-01T00:00:00Z"}');
  });

  test.each([
    ['a missing payload', undefined, 'payload'],
    ['a bigint', { n: 1n }, 'payload.n'],
    ['NaN', { n: Number.NaN }, 'payload.n'],
    ['infinity', [1, Number.POSITIVE_INFINITY], 'payload[1]'],
    ['a date', { at: new Date(0) }, 'payload.at'],
    ['a map', { tags: new Map() }, 'payload.tags'],
    ['a function', { f: () => 1 }, 'payload.f'],
    ['an object that writes itself', { o: { toJSON: () => 1 } }, 'payload.o'],
    ['undefined in an array', { a: [undefined] }, 'payload.a[0]'],
    ['a hole in an array', { 'a b': Object.assign([], { length: 1 }) }, 'payload["a b"][0]'],
  ])('refuses %s, which does not survive JSON', (_, payload, path) => {
    const error = violationOf(anything({ ...facts, payload }), { catalog });

    expect(error.issues.map((issue) => issue.path)).toEqual([path]);
    if (payload !== undefined) expect(error.message).toContain('does not survive JSON');
  });

  test('refuses cycles and endless nesting', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const deep: unknown = JSON.parse(`${'['.repeat(10_000)}${']'.repeat(10_000)}`);

    expect(violationOf(anything({ ...facts, payload: cycle }), { catalog }).issues[0]?.path).toBe(
      'payload.self',
    );
    expect(violationOf(anything({ ...facts, payload: deep }), { catalog }).message).toContain('levels deep');
  });

  test('accepts an object that appears twice without containing itself', () => {
    const address = { city: 'Turin' };

    const event = anything({ ...facts, payload: { from: address, to: address } });

    expect(validateNewEvent(event, { catalog }).payloadText).toContain('"to":{"city":"Turin"}');
  });

  test('refuses fields the event does not have, at any depth, where the schema names them', () => {
    const sentAt = '2026-01-01T00:00:00Z';
    const payload = {
      sentAt,
      nte: 'mistyped',
      lines: [{ sku: 'a', price: 1 }],
      labels: { urgent: { color: 'red', size: 2 } },
      extra: { whatever: true },
    };

    const error = violationOf(invoiceSent({ ...facts, payload }), { catalog });

    expect(error.issues.map((issue) => issue.path)).toEqual([
      'payload.nte',
      'payload.lines[0].price',
      'payload.labels.urgent.size',
    ]);
  });

  test('counts a schema that throws as a refusal and keeps the reason', () => {
    const faulty = defineEvent(defineTopic('faulty'), 'faulty.happened', {
      version: 1,
      payload: z.string().refine(async () => true),
    });

    const error = violationOf(faulty({ ...facts, payload: 'x' }), { catalog: createCatalog([faulty]) });

    expect(error.message).toContain('faulty.happened: payload: the schema threw');
    expect(error.cause).toBeInstanceOf(Error);
  });

  test('stores text that reads back as the payload, for every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (payload) => {
        const { payloadText } = validateNewEvent(anything({ ...facts, payload }), { catalog });

        // JSON knows no negative zero.
        expect(JSON.parse(payloadText)).toEqual(JSON.parse(JSON.stringify(payload)));
      }),
    );
  });
});
