import { userRenamed } from '@event-bus/contracts';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Bench, createBench, defineConsumer, never, on, work } from '../testing/bench.ts';

let bench: Bench;

beforeAll(async () => {
  bench = await createBench(inject('postgresUrl'));
});

afterAll(() => bench.close());

const control = [
  'commit',
  'COMMIT AND CHAIN',
  'rollback',
  'end',
  'abort',
  'begin',
  'start transaction',
  "prepare transaction 'x'",
  '/* a /* nested */ comment */ -- and another\n  Commit',
  "insert into effects (event_id, note) values (gen_random_uuid(), ''); commit",
  "select 1; insert into effects (event_id, note) values (gen_random_uuid(), '')",
];
const session = [
  "set search_path = 'elsewhere'",
  'set session statement_timeout = 1',
  'set role postgres',
  'reset all',
  'listen x',
  'discard all',
  'prepare p as select 1',
  'select pg_advisory_lock(1)',
  'select "pg_try_advisory_lock_shared"(1)',
];
const shared = [
  'savepoint s',
  'release savepoint s',
  'rollback to savepoint s',
  'set local statement_timeout = 1',
  'set constraints all deferred',
  'lock table effects',
  'select pg_advisory_xact_lock(1)',
  "select set_config('search_path', '', true)",
  'create temporary table t (id int)',
  'truncate effects',
  "do $$ begin perform set_config('search_path', '', true); end $$",
];

async function attempt(transaction: 'event' | 'batch', statements: readonly string[]) {
  const { handle } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      transaction,
      handlers: [
        on(userRenamed, async (_, { trx }) => {
          for (const statement of statements) await sql.raw(statement).execute(trx);
        }),
      ],
    }),
  );
  return handle(work(), never);
}

describe.each(['event', 'batch'] as const)('with a transaction per %s', (transaction) => {
  test.each([...control, ...session, ...(transaction === 'batch' ? shared : [])])(
    '%j is refused, by name, and nothing is kept',
    async (statement) => {
      const settlement = await attempt(transaction, [statement]);

      expect(settlement).toMatchObject({
        kind: 'failed',
        counted: true,
        error: { code: 'statement_refused' },
      });
      expect(await bench.effects()).toEqual([]);
    },
  );

  test('what a batch refuses says which statement, and how to be allowed it', async () => {
    const settlement = await attempt('batch', ['savepoint s']);

    expect(settlement).toHaveProperty(
      'error.message',
      expect.stringMatching(/^SAVEPOINT is refused .*transaction: 'event'/),
    );
  });
});

test('a transaction per event may be shaped by its handler', async () => {
  const settlement = await attempt('event', [
    'savepoint s',
    'select 1',
    'rollback to savepoint s',
    'release savepoint s',
    'set local statement_timeout = 10000',
    'lock table effects in share mode',
    'select pg_advisory_xact_lock(1)',
    'create temporary table t (id int) on commit drop',
    'do $$ begin perform 1; end $$',
  ]);

  expect(settlement).toEqual({ kind: 'settled', how: 'done' });
});

test('text in literals, comments and names is not mistaken for a command', async () => {
  const settlement = await attempt('batch', [
    "select 'commit; pg_advisory_lock(1)' as \"commit; begin\", $$ rollback; $$, E'\\'; commit' -- ; commit",
    'with x as (select 1 as id) select * from x;',
    'select $1$1 from (values (1)) v($1$1)'.replaceAll('$1$1', 'pg_advisory_lock'),
  ]);

  expect(settlement).toEqual({ kind: 'settled', how: 'done' });
});
