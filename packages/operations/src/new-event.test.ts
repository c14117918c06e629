import { ContractViolationError } from '@event-bus/contracts';
import { expect, test } from 'vitest';
import { readNewEvent } from './new-event.ts';

const created = {
  type: 'user.created',
  aggregateId: 'u-1',
  tenantId: 'acme',
  actorId: 'alice',
  payload: { email: 'ann@example.com', name: 'Ann' },
};

function pathsOf(document: unknown): string[] {
  try {
    readNewEvent(document);
    return [];
  } catch (error) {
    if (error instanceof ContractViolationError) return error.issues.map(({ path }) => path);
    throw error;
  }
}

test('the version is the newest and the aggregate type the topic, unless they are given', () => {
  expect(readNewEvent(created)).toMatchObject({ version: 2, aggregateType: 'user' });
  const old = { ...created, version: 1, aggregateType: 'user', payload: { email: 'ann@example.com' } };
  expect(readNewEvent(old)).toMatchObject({ version: 1 });
});

test('the instant is read with its offset', () => {
  const event = readNewEvent({ ...created, occurredAt: '2026-01-31T12:00:00+02:00' });

  expect(event.occurredAt).toEqual(new Date('2026-01-31T10:00:00Z'));
});

test.for([
  ['no object', 'text', ['event']],
  ['nothing', {}, ['type', 'aggregateId', 'tenantId', 'actorId', 'payload']],
  ['a field that is none', { ...created, Payload: 1 }, ['Payload']],
  ['a type that is no text', { ...created, type: 7 }, ['type']],
  ['a version that is no whole number', { ...created, version: '2' }, ['version']],
  ['another topic', { ...created, aggregateType: 'project' }, ['aggregateType']],
  ['an ID that is no UUID', { ...created, eventId: 'x' }, ['eventId']],
  ['an ID that is null', { ...created, eventId: null }, ['eventId']],
  ['an instant without offset', { ...created, occurredAt: '2026-01-31T12:00:00' }, ['occurredAt']],
  ['an instant that is none', { ...created, occurredAt: '2026-13-99T12:00:00Z' }, ['occurredAt']],
  ['blank IDs', { ...created, tenantId: ' ', correlationId: '' }, ['tenantId', 'correlationId']],
  [
    'a payload that does not fit',
    { ...created, payload: { email: 'x', name: '' } },
    ['payload.email', 'payload.name'],
  ],
] as const)('%s is refused by path', ([, document, paths]) => {
  expect(pathsOf(document)).toEqual(paths);
});
