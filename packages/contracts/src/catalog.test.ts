import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createCatalog, type EventCatalog } from './catalog.ts';
import { defineEvent, type Upcast } from './define-event.ts';
import { defineTopic } from './define-topic.ts';
import type { EventEntry } from './entry.ts';
import {
  ContractDefinitionError,
  MalformedEntryError,
  MalformedPayloadError,
  PayloadInvalidError,
  UndecodableEventError,
  UnknownEventTypeError,
  UnknownEventVersionError,
  UpcastError,
} from './errors.ts';
import { platformCatalog } from './platform-catalog.ts';
import { user, userCreated, userCreatedV1 } from './user.ts';

const order = defineTopic('order');
const toCents: Upcast = (old) => ({ cents: z.object({ euros: z.number() }).parse(old).euros * 100 });
const withCurrency: Upcast = (old) => ({ ...z.object({ cents: z.number() }).parse(old), currency: 'EUR' });
const paidV1 = defineEvent(order, 'order.paid', { version: 1, payload: z.object({ euros: z.number() }) });
const paidV2 = defineEvent(order, 'order.paid', {
  version: 2,
  payload: z.object({ cents: z.int() }),
  upcast: { 1: toCents },
});
const paid = defineEvent(order, 'order.paid', {
  version: 3,
  payload: z.object({ cents: z.int(), currency: z.string() }),
  upcast: { 2: withCurrency },
});
const orders = createCatalog([paidV2, paid, paidV1]);

const entry: EventEntry = {
  eventId: '0197b3c2-3f3d-7c11-8a53-2d1a6b4de001',
  source: 'shop',
  position: '9007199254740993',
  eventType: 'order.paid',
  eventVersion: '3',
  aggregateType: 'order',
  aggregateId: 'o-1',
  tenantId: 't-1',
  actorId: 'a-1',
  occurredAt: '2026-11-23T10:00:00.123456Z',
  payload: '{"cents":1250,"currency":"CHF"}',
  traceparent: '',
  tracestate: '',
  correlationId: '',
  causationId: '',
  replayId: '',
};

function errorOf(changes: Partial<EventEntry>, catalog: EventCatalog = orders): UndecodableEventError {
  try {
    catalog.decode({ ...entry, ...changes });
  } catch (error) {
    if (error instanceof UndecodableEventError) return error;
    throw error;
  }
  throw new Error('was decoded');
}

describe('createCatalog', () => {
  test('keeps every version and knows the newest, in whatever order they are given', () => {
    expect(orders.definitions).toEqual([paidV2, paid, paidV1]);
    expect(orders.find('order.paid', 1)).toBe(paidV1);
    expect(orders.find('order.paid', 4)).toBeUndefined();
    expect(orders.latest('order.paid')).toBe(paid);
    expect(orders.latest('order.lost')).toBeUndefined();
    expect(orders.topics).toEqual([order]);
  });

  test('refuses one version defined twice', () => {
    expect(() => createCatalog([userCreatedV1, userCreated, userCreated])).toThrow(
      'user.created v2 is defined twice',
    );
  });

  test('refuses a version that no chain of upcasts lifts to the newest', () => {
    const without = defineEvent(order, 'order.paid', { version: 3, payload: z.object({}) });

    expect(() => createCatalog([paidV1, paidV2, without])).toThrow(
      'order.paid: no upcast leads from version 2 to 3; add one to version 3',
    );
  });

  test('refuses two different upcasts from one version', () => {
    const other = defineEvent(order, 'order.paid', {
      version: 3,
      payload: z.object({}),
      upcast: { 1: (old) => old, 2: withCurrency },
    });

    expect(() => createCatalog([paidV1, paidV2, other])).toThrow('two different upcasts start at version 1');
  });

  test('refuses two definitions of one topic, and one type in two topics', () => {
    const sameName = defineEvent(defineTopic('order', { partitions: 4 }), 'order.lost', {
      version: 1,
      payload: z.object({}),
    });
    const elsewhere = defineEvent(user, 'order.paid', {
      version: 4,
      payload: z.object({}),
      upcast: { 3: (old) => old },
    });

    expect(() => createCatalog([paidV1, paidV2, paid, sameName])).toThrow(ContractDefinitionError);
    expect(() => createCatalog([paidV1, paidV2, paid, elsewhere])).toThrow(
      'defined in two topics, order and user',
    );
  });
});

describe('decode', () => {
  test('gives an event of the newest version with its payload parsed', () => {
    expect(orders.decode(entry)).toStrictEqual({
      id: entry.eventId,
      source: 'shop',
      position: 9007199254740993n,
      type: 'order.paid',
      version: 3,
      aggregateType: 'order',
      aggregateId: 'o-1',
      tenantId: 't-1',
      actorId: 'a-1',
      occurredAt: new Date('2026-11-23T10:00:00.123Z'),
      occurredAtText: '2026-11-23T10:00:00.123456Z',
      payload: { cents: 1250, currency: 'CHF' },
    });
  });

  test('gives trace, correlation and replay where the entry has them', () => {
    const carried = { traceparent: '00-1-2-01', tracestate: 'a=b', correlationId: 'c-1', causationId: 'e-1' };

    expect(orders.decode({ ...entry, ...carried, replayId: 'r-1' })).toMatchObject({
      ...carried,
      replay: { id: 'r-1' },
    });
  });

  test.each([
    ['1', '{"euros":12.5}'],
    ['2', '{"cents":1250}'],
  ])('lifts version %s step by step', (eventVersion, payload) => {
    expect(orders.decode({ ...entry, eventVersion, payload })).toMatchObject({
      version: 3,
      payload: { cents: 1250, currency: 'EUR' },
    });
  });

  test('drops fields it does not know, so that a newer producer may add some', () => {
    const payload = '{"cents":1,"currency":"EUR","note":"new"}';

    expect(orders.decode({ ...entry, payload }).payload).toEqual({ cents: 1, currency: 'EUR' });
  });

  test('refuses an event type it does not know', () => {
    const error = errorOf({ eventType: 'order.lost' });

    expect(error).toBeInstanceOf(UnknownEventTypeError);
    expect(error).toMatchObject({
      code: 'unknown_event_type',
      eventType: 'order.lost',
      eventId: entry.eventId,
    });
  });

  test('refuses a version newer than it knows, without looking at the payload', () => {
    const error = errorOf({ eventVersion: '4', payload: 'not JSON' });

    expect(error).toBeInstanceOf(UnknownEventVersionError);
    expect(error).toMatchObject({ code: 'unknown_event_version', eventVersion: '4', newestKnownVersion: 3 });
    expect(error.message).toContain('newer than the newest known one (3)');
  });

  test('refuses a version older than any upcast', () => {
    const error = errorOf({ eventVersion: '1' }, createCatalog([paid]));

    expect(error).toBeInstanceOf(UnknownEventVersionError);
    expect(error.message).toContain('no upcast leads from this version');
  });

  test('refuses a payload that is not JSON, without quoting it', () => {
    const error = errorOf({ payload: 'secret' });

    expect(error).toBeInstanceOf(MalformedPayloadError);
    expect(error.code).toBe('malformed_payload');
    expect(error.message).not.toContain('secret');
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });

  test('says which upcast failed and why', () => {
    const error = errorOf({ eventVersion: '2', payload: '{"euros":1}' });

    expect(error).toBeInstanceOf(UpcastError);
    expect(error).toMatchObject({ code: 'upcast_failed', fromVersion: 2 });
    expect(error.message).toBe(
      `order.paid v2 (event ${entry.eventId}): the upcast from version 2 to 3 threw: ` +
        'payload.cents: Invalid input: expected number, received undefined',
    );
  });

  test('names the path of a payload that does not fit', () => {
    const error = errorOf({ payload: '{"cents":0.5,"currency":"EUR"}' });

    expect(error).toBeInstanceOf(PayloadInvalidError);
    expect(error).toMatchObject({ code: 'payload_invalid', issues: [{ path: 'payload.cents' }] });
  });

  test('refuses an event in another topic than its own', () => {
    const error = errorOf({ aggregateType: 'user' });

    expect(error).toBeInstanceOf(MalformedEntryError);
    expect(error.message).toContain('aggregate_type: is "user", but this event belongs to topic "order"');
  });
});

describe('the platform catalogue', () => {
  test('lifts a user created before names were asked for', () => {
    const event = platformCatalog.decode({
      ...entry,
      eventType: 'user.created',
      eventVersion: '1',
      aggregateType: 'user',
      payload: '{"email":"ada@example.org"}',
    });

    expect(event).toMatchObject({ version: 2, payload: { email: 'ada@example.org', name: 'ada' } });
  });
});
