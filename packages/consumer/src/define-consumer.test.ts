import { projectCreated, userCreated, userCreatedV1, userRenamed } from '@event-bus/contracts';
import type { BusDatabase } from '@event-bus/database';
import type { Transaction } from 'kysely';
import { expect, expectTypeOf, test } from 'vitest';
import { type ConsumerOptions, consumersFor, defineConsumer, on } from './define-consumer.ts';
import { ConsumerDefinitionError } from './errors.ts';
import { retryAfter, skip } from './outcome.ts';

const renamed = on(userRenamed, () => undefined);

test('a consumer needs a group and handlers, and knows its topics', () => {
  const consumer = defineConsumer({
    group: 'welcome-email',
    handlers: [renamed, on(userCreated, () => undefined), on(projectCreated, () => undefined)],
  });

  expect(consumer).toMatchObject({
    group: 'welcome-email',
    ordering: 'none',
    startFrom: 'beginning',
    transaction: 'event',
    concurrency: 16,
    unknownEvents: 'dead-letter',
  });
  expect(consumer.topics.map(({ name }) => name)).toEqual(['user', 'project']);
  expect(consumer.handlings.get('user.renamed')).toMatchObject({
    timeoutMs: 30_000,
    retry: { maxAttempts: 5 },
  });
  expect(Object.isFrozen(consumer)).toBe(true);
});

test('a handler may have a timeout and a retry policy of its own', () => {
  const consumer = defineConsumer({
    group: 'g',
    timeout: '5s',
    retry: { maxAttempts: 2 },
    handlers: [renamed, on(userCreated, { timeout: '90s', retry: { maxAttempts: 9 } }, () => undefined)],
  });

  expect(consumer.handlings.get('user.renamed')).toMatchObject({
    timeoutMs: 5_000,
    retry: { maxAttempts: 2 },
  });
  expect(consumer.handlings.get('user.created')).toMatchObject({
    timeoutMs: 90_000,
    retry: { maxAttempts: 9 },
  });
});

test.each<[string, Partial<ConsumerOptions>, string]>([
  ['a group with capitals', { group: 'Welcome' }, 'group must begin with a lower-case letter'],
  ['no handler', { handlers: [] }, 'handlers is empty'],
  ['two handlers for one event', { handlers: [renamed, renamed] }, 'user.renamed has two handlers'],
  [
    'two versions of one event',
    { handlers: [on(userCreated, () => undefined), on(userCreatedV1, () => undefined)] },
    'user.created has two handlers',
  ],
  ['no attempts', { retry: { maxAttempts: 0 } }, 'retry.maxAttempts must be a whole number from 1'],
  [
    'a backoff that is no function',
    { retry: { backoff: '5s' as unknown as () => number } },
    'consumer "g": retry.backoff must be a function such as exponential("1s"), not "5s"',
  ],
  [
    'a backoff without a delay after some attempt',
    { retry: { maxAttempts: 5, backoff: (attempt) => [10, 20][attempt - 1] as number } },
    'consumer "g": retry.backoff must give a number of milliseconds, 0 or more, and gives undefined after attempt 3',
  ],
  [
    "a handler's own backoff that throws",
    {
      handlers: [
        on(
          userCreated,
          {
            retry: {
              backoff() {
                throw new Error('no table');
              },
            },
          },
          () => undefined,
        ),
      ],
    },
    'on(user.created) retry.backoff must not throw, and throws after attempt 1: Error: no table',
  ],
  ['half a transaction at a time', { concurrency: 0.5 }, 'concurrency must be a whole number'],
  [
    'a batch size without batches',
    { batchSize: 5 },
    "batchSize has a meaning only with transaction: 'batch'",
  ],
  ['a timeout without a unit', { timeout: '30' as '30s' }, 'timeout must be a duration such as "30s"'],
  ['a timeout of nothing', { timeout: '0s' }, 'timeout must be a duration'],
  [
    'an ordering that does not exist',
    { ordering: 'global' as 'none' },
    'ordering must be "none" or "aggregate"',
  ],
])('%s is refused', (_, options, message) => {
  expect(() => defineConsumer({ group: 'g', handlers: [renamed], ...options })).toThrow(message);
});

test('a backoff need not know a delay after the last attempt', () => {
  const backoff = (attempt: number) => [10, 20][attempt - 1] as number;

  expect(
    defineConsumer({ group: 'g', retry: { maxAttempts: 3, backoff }, handlers: [renamed] }),
  ).toMatchObject({
    handlings: new Map([['user.renamed', { retry: { maxAttempts: 3, backoff } }]]),
  });
});

test('everything that is wrong is told at once', () => {
  const define = () => defineConsumer({ group: '9', concurrency: -1, handlers: [] });

  expect(define).toThrow(ConsumerDefinitionError);
  expect(define).toThrow(/consumer "9": group .*; concurrency .*; handlers/);
});

test('a delay that is no duration is refused where it is returned', () => {
  expect(() => retryAfter('a while' as '1s')).toThrow(/takes a duration such as "30s"/);
});

test('the event is typed by its definition, the transaction by the application', () => {
  const app = consumersFor<{ members: { id: string } }>();

  app.on(userCreated, async (event, { trx }) => {
    expectTypeOf(event.type).toEqualTypeOf<'user.created'>();
    expectTypeOf(event.payload).toEqualTypeOf<{ email: string; name: string }>();
    expectTypeOf(trx).toEqualTypeOf<Transaction<{ members: { id: string } } & BusDatabase>>();
    await trx.insertInto('members').values({ id: event.id }).execute();
    await trx.selectFrom('inbox_events').selectAll().execute();
    return skip('typed');
  });
  on(userCreated, async (event, { trx }) => {
    expectTypeOf(trx).toEqualTypeOf<Transaction<BusDatabase>>();
    // @ts-expect-error a table the bus knows nothing of
    trx.insertInto('members');
    // @ts-expect-error a field the payload does not have
    expectTypeOf(event.payload.age).toBeAny();
  });
  // @ts-expect-error what is neither nothing nor an outcome is a mistake
  on(userCreated, async () => 5);
});
