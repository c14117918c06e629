import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { defineEvent, isEventOf } from './define-event.ts';
import { defineTopic } from './define-topic.ts';
import { ContractDefinitionError } from './errors.ts';
import type { EventOf, NewEvent, ReceivedEvent } from './event.ts';
import type { projectCreated } from './project.ts';
import { userCreated, userRenamed } from './user.ts';

const invoice = defineTopic('invoice');
const invoiceSent = defineEvent(invoice, 'invoice.sent', {
  version: 1,
  payload: z.object({
    sentAt: z.iso.datetime().transform((text) => new Date(text)),
    copies: z.int().default(1),
  }),
});
const facts = { aggregateId: 'i-1', tenantId: 't-1', actorId: 'a-1' };

describe('an event definition', () => {
  test('makes a plain, frozen event of its type, version and topic', () => {
    const event = invoiceSent({ ...facts, payload: { sentAt: '2026-01-01T00:00:00Z' } });

    expect(event).toEqual({
      ...facts,
      type: 'invoice.sent',
      version: 1,
      aggregateType: 'invoice',
      payload: { sentAt: '2026-01-01T00:00:00Z' },
    });
    expect(Object.isFrozen(event)).toBe(true);
  });

  test('is frozen and carries what it was declared with', () => {
    expect(Object.isFrozen(invoiceSent)).toBe(true);
    expect(invoiceSent.topic).toBe(invoice);
    expect(invoiceSent.type).toBe('invoice.sent');
    expect(invoiceSent.version).toBe(1);
  });

  test('names the event being handled as the cause, and carries its correlation on', () => {
    const cause = { id: 'event-7', correlationId: 'order-1' };

    const event = userRenamed({ ...facts, payload: { name: 'Ada' }, causedBy: cause });

    expect(event).toMatchObject({ correlationId: 'order-1', causationId: 'event-7' });
  });

  test('starts the correlation at the first event of a chain', () => {
    const event = userRenamed({ ...facts, payload: { name: 'Ada' }, causedBy: { id: 'event-7' } });

    expect(event).toMatchObject({ correlationId: 'event-7', causationId: 'event-7' });
  });

  test('lets ids that are given explicitly take precedence over those of the cause', () => {
    const causedBy = { id: 'event-7', correlationId: 'order-1' };

    const event = userRenamed({ ...facts, payload: { name: 'Ada' }, causedBy, correlationId: 'request-9' });

    expect(event).toMatchObject({ correlationId: 'request-9', causationId: 'event-7' });
  });

  test.each(['', 'Invoice.Sent', 'invoice sent', '.sent'])('is refused with the type %j', (type) => {
    expect(() => defineEvent(invoice, type, { version: 1, payload: z.object({}) })).toThrow(
      ContractDefinitionError,
    );
  });

  test.each([0, -1, 1.5, Number.NaN])('is refused with version %d', (version) => {
    expect(() => defineEvent(invoice, 'invoice.paid', { version, payload: z.object({}) })).toThrow(
      'version must be a whole number from 1 on',
    );
  });

  test('is refused with an upcast that starts at its own version or after it', () => {
    const define = () =>
      defineEvent(invoice, 'invoice.paid', {
        version: 2,
        payload: z.object({}),
        upcast: { 2: (old) => old },
      });

    expect(define).toThrow('an upcast starts at a version from 1 to 1, not at 2');
  });
});

describe('the types of an event definition', () => {
  test('take what the schema accepts and give what it makes of it', () => {
    expectTypeOf(invoiceSent).parameter(0).toHaveProperty('payload').toEqualTypeOf<{
      sentAt: string;
      copies?: number | undefined;
    }>();
    expectTypeOf(invoiceSent).returns.toEqualTypeOf<
      NewEvent<'invoice.sent', { sentAt: string; copies?: number | undefined }, 1>
    >();
    expectTypeOf<EventOf<typeof invoiceSent>['payload']>().toEqualTypeOf<{ sentAt: Date; copies: number }>();
    expectTypeOf<EventOf<typeof userCreated>>().toEqualTypeOf<
      ReceivedEvent<'user.created', { email: string; name: string }, 2>
    >();
  });

  test('are told apart by the event type in a union', () => {
    type Handled = EventOf<typeof userCreated | typeof projectCreated>;

    expectTypeOf<Extract<Handled, { type: 'project.created' }>['payload']>().toEqualTypeOf<{
      name: string;
      ownerId: string;
    }>();
  });

  test('refuse a wrong payload and a missing tenant', () => {
    // @ts-expect-error: the email is not text
    userCreated({ ...facts, payload: { email: 1, name: 'Ada' } });
    // @ts-expect-error: no such field
    userCreated({ ...facts, payload: { email: 'ada@example.org', name: 'Ada', nmae: 'Ada' } });
    // @ts-expect-error: nobody's tenant
    userCreated({ aggregateId: 'u-1', actorId: 'a-1', payload: { email: 'ada@example.org', name: 'Ada' } });
  });

  test('narrow a decoded event', () => {
    const narrow = (event: ReceivedEvent) => {
      if (isEventOf(userCreated, event)) {
        expectTypeOf(event.payload).toEqualTypeOf<{ email: string; name: string }>();
      }
    };

    expectTypeOf(narrow).parameter(0).toEqualTypeOf<ReceivedEvent>();
  });
});
