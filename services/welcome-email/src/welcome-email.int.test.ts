import { randomUUID } from 'node:crypto';
import { createDispatcher } from '@event-bus/consumer/runner';
import { platformCatalog } from '@event-bus/contracts';
import { createPool } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { createLogger } from '@event-bus/telemetry';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { Mailer } from './mailer.ts';
import { createSmtpMailer } from './smtp-mailer.ts';
import { type SmtpServer, startSmtpServer } from './testing/smtp-server.ts';
import { createWelcomeEmail } from './welcome-email.ts';

let database: TestDatabase;
let pool: ReturnType<typeof createPool>;
let smtp: SmtpServer;
let mailer: Mailer;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  pool = createPool({ url: database.url, applicationName: 'welcome-email test', pipeline: true });
  smtp = await startSmtpServer();
  mailer = createSmtpMailer({ url: smtp.url, from: 'welcome@acme.example' });
});

afterEach(async () => {
  await smtp.close();
  await pool.end();
  await database.close();
});

/** An entry of the stream, as it is handed out. */
function signUp(payload: object, eventVersion = '2') {
  const fields = {
    event_id: randomUUID(),
    source: 'test',
    position: '1',
    event_type: 'user.created',
    event_version: eventVersion,
    aggregate_type: 'user',
    aggregate_id: 'ann',
    tenant_id: 'acme',
    actor_id: 'ann',
    occurred_at: '2026-02-03T04:05:06.789012Z',
    payload: JSON.stringify(payload),
    traceparent: '',
    tracestate: '',
    correlation_id: '',
    causation_id: '',
  };
  return { stream: 'events:user', id: '1-1', deliveries: 1, fields };
}

function handlerOf(through: Mailer = mailer) {
  const logger = createLogger({ service: 'test', level: 'silent' });
  const consumer = createWelcomeEmail(through);
  const dispatcher = createDispatcher({ consumer, catalog: platformCatalog, pool, logger });
  return (delivery: ReturnType<typeof signUp>, attempt = 1) =>
    dispatcher.handle({ delivery, attempt }, new AbortController().signal);
}

const ann = { name: 'Ann Änderson', email: 'ann@example.com' };
const identities = () => smtp.mails.map(({ headers }) => headers['message-id']);

test('whoever signs up is sent one mail, however often the event is delivered', async () => {
  const handle = handlerOf();
  const delivery = signUp(ann);

  expect(await handle(delivery)).toEqual({ kind: 'settled', how: 'done' });
  expect(await handle({ ...delivery, id: '2-1', deliveries: 2 })).toEqual({
    kind: 'settled',
    how: 'duplicate',
  });

  expect(smtp.mails).toHaveLength(1);
  expect(smtp.mails[0]?.recipients).toEqual(['ann@example.com']);
  expect(smtp.mails[0]?.headers.from).toBe('welcome@acme.example');
});

test('a mail that is sent again, because it went out and the transaction did not commit, has the same identity', async () => {
  const lostAfterwards: Mailer = {
    async send(mail) {
      await mailer.send(mail);
      throw new Error('the process died here');
    },
  };
  const delivery = signUp(ann);

  expect(await handlerOf(lostAfterwards)(delivery)).toMatchObject({ kind: 'failed', counted: true });
  expect(await handlerOf()(delivery, 2)).toEqual({ kind: 'settled', how: 'done' });

  expect(smtp.mails).toHaveLength(2);
  expect(new Set(identities()).size).toBe(1);
  expect(identities()[0]).toMatch(/^<[0-9a-f]{64}@acme\.example>$/);
});

test('two people are sent two mails of different identity', async () => {
  const handle = handlerOf();
  await handle(signUp(ann));
  await handle(signUp(ann));

  expect(new Set(identities()).size).toBe(2);
});

test('an event of the first version, without a name, is greeted by the mailbox', async () => {
  await handlerOf()(signUp({ email: 'bob@example.com' }, '1'));

  expect(smtp.mails[0]?.headers.subject).toBe('Welcome, bob');
});

test('an address that is refused for good is dead-lettered with the reason', async () => {
  smtp.refuse('ann@example.com', '550 no such mailbox');

  const settlement = await handlerOf()(signUp(ann));

  expect(settlement.kind === 'given-up' && settlement.reason).toContain('550');
  expect(smtp.mails).toEqual([]);
});

test('an address that is refused for now is tried again', async () => {
  smtp.refuse('ann@example.com', '451 come back later');

  expect(await handlerOf()(signUp(ann))).toMatchObject({ kind: 'failed', counted: true, reason: 'error' });
});

test('a server that is away costs an attempt and loses nothing', async () => {
  await smtp.close();
  const delivery = signUp(ann);
  expect(await handlerOf()(delivery)).toMatchObject({ kind: 'failed', counted: true });

  smtp = await startSmtpServer();
  mailer = createSmtpMailer({ url: smtp.url, from: 'welcome@acme.example' });
  expect(await handlerOf()(delivery, 2)).toEqual({ kind: 'settled', how: 'done' });

  expect(smtp.mails).toHaveLength(1);
});
