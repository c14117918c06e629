import { eventually, type PostgresServer, startPostgres } from '@event-bus/testkit';
import * as fc from 'fast-check';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { audit, type Bench, createBench, sound } from './testing.ts';

const stream = 'events:user';
const small = { pageSize: 7 } as const;
const settings = { max_prepared_transactions: '50', deadlock_timeout: '20ms' };

let postgres: PostgresServer;
let bench: Bench;
let producers: pg.Pool;

beforeAll(async () => {
  postgres = await startPostgres({ settings });
});

afterAll(() => postgres.stop());

beforeEach(async () => {
  bench = await createBench(postgres.url());
  producers = new pg.Pool({ connectionString: bench.database.url, max: 60 });
  const broken = () => 'a server that goes down breaks its connections';
  producers.on('error', broken).on('connect', (client) => client.on('error', broken));
});

afterEach(async () => {
  await producers.end();
  await bench.close();
});

type Ending = 'commit' | 'rollback' | 'prepare and commit' | 'prepare and roll back' | 'die';

interface Transaction {
  readonly steps: readonly (
    | { readonly kind: 'append' | 'undo'; readonly aggregates: readonly number[] }
    | { readonly kind: 'dawdle'; readonly turns: number }
  )[];
  readonly ending: Ending;
}

const aggregates = fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 4 });
const transaction: fc.Arbitrary<Transaction> = fc.record({
  steps: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), aggregates }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('undo' as const), aggregates }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('dawdle' as const),
          turns: fc.integer({ min: 1, max: 60 }),
        }),
      },
    ),
    { minLength: 1, maxLength: 6 },
  ),
  ending: fc.oneof(
    { weight: 5, arbitrary: fc.constant('commit' as const) },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        'rollback' as const,
        'prepare and commit' as const,
        'prepare and roll back' as const,
        'die' as const,
      ),
    },
  ),
});

/** Appends as a producer in plain SQL should: the locks first, in one order for all. */
async function append(client: pg.ClientBase, names: readonly string[]): Promise<void> {
  const ordered = [...names].sort();
  await client.query(
    `select outbox_lock('user', a) from unnest($1::text[]) with ordinality u(a, n) order by n`,
    [ordered],
  );
  await client.query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
     select 'user', a, 'test.happened', 'acme', 'alice', '{}' from unnest($1::text[]) a`,
    [ordered],
  );
}

/** Time passes by doing something, not by waiting. */
async function dawdle(client: pg.ClientBase, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await client.query('select 1');
}

async function end(client: pg.ClientBase, ending: Ending, name: string): Promise<void> {
  if (ending === 'commit' || ending === 'rollback') await client.query(ending);
  else if (ending === 'die') await client.query('select pg_terminate_backend(pg_backend_pid())');
  else {
    await client.query(`prepare transaction '${name}'`);
    await dawdle(client, 30);
    await client.query(`${ending === 'prepare and commit' ? 'commit' : 'rollback'} prepared '${name}'`);
  }
}

/** Whatever goes wrong (a deadlock, say) rolls the transaction back. Only the database knows what was committed. */
async function play(run: string, { steps, ending }: Transaction, name: string): Promise<void> {
  const client = await producers.connect();
  const named = (chosen: readonly number[]) => chosen.map((n) => `${run}-${n}`);
  let broken = false;
  try {
    await client.query('begin');
    for (const step of steps) {
      if (step.kind === 'dawdle') await dawdle(client, step.turns);
      else {
        if (step.kind === 'undo') await client.query('savepoint s');
        await append(client, named(step.aggregates));
        if (step.kind === 'undo') await client.query('rollback to savepoint s');
      }
    }
    await end(client, ending, name);
  } catch {
    broken = true;
  } finally {
    client.release(broken);
  }
}

const gaps = async () => (await bench.db.selectFrom('outbox_gaps').selectAll().execute()).length;
const cursor = async () =>
  Number((await bench.db.selectFrom('outbox_cursor').select('position').executeTakeFirstOrThrow()).position);
const reaches = (expected: object) =>
  eventually(async () => {
    expect(await audit(bench)).toMatchObject(expected);
    return true;
  });

async function isWholeWithoutGaps(): Promise<void> {
  await reaches({ ...sound, repeated: [] });
  await eventually(async () => (await gaps()) === 0);
}

// Hundreds of transactions, each of many statements: what takes ten seconds may take minutes.
describe('many transactions at once that end in any order and manner', { timeout: 240_000 }, () => {
  // While it sleeps, writers notify it, which PostgreSQL refuses to a transaction that is to be prepared.
  test.each([
    ['awake', true],
    ['free to sleep', false],
  ])('are published if, and only if, they commit, and wait for nobody (publisher %s)', async (_, awake) => {
    bench.start(small);
    const watch = await producers.connect();
    if (awake) {
      await eventually(async () => {
        const { rows } = await watch.query<{ held: boolean }>(
          'select pg_try_advisory_lock_shared(1869968482, 2) as held',
        );
        return rows[0]?.held === true;
      });
    }
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { minLength: 25, maxLength: 45 }), async (transactions) => {
        run += 1;
        const open = await producers.connect();
        await open.query('begin');
        await append(open, [`open-${run}`]);
        await Promise.all(transactions.map((each, n) => play(`run${run}`, each, `prepared-${run}-${n}`)));
        // All that is committed comes through while one transaction, of another aggregate, stays open.
        await reaches({ ...sound, repeated: [] });
        await append(open, [`open-${run}`]);
        await open.query(run % 3 === 0 ? 'rollback' : 'commit');
        open.release();
        await isWholeWithoutGaps();
      }),
      { numRuns: 8, endOnFailure: true },
    );
    watch.release(true);
    expect((await bench.entries(stream)).length).toBeGreaterThan(100);
  });
});

test('a transaction that was prepared before a crash of PostgreSQL and committed after it is published', async () => {
  const publisher = bench.start(small);
  const prepared = await producers.connect();
  await prepared.query(`begin; set local bus.wakeup = 'off'`);
  await append(prepared, ['prepared-1', 'prepared-2']);
  await prepared.query(`prepare transaction 'survivor'`);
  const lost = await producers.connect();
  await lost.query('begin');
  await append(lost, ['lost']);
  await bench.insert(['ann', 'bob', 'ann']);
  await reaches(sound);
  expect(await gaps()).toBeGreaterThan(0);
  await postgres.kill();
  await postgres.restart();
  prepared.release(true);
  lost.release(true);

  await eventually(async () => {
    await bench.insert(['ann', 'cyd']);
    return true;
  });
  await reaches(sound);
  expect(await gaps()).toBeGreaterThan(0);
  await producers.query(`commit prepared 'survivor'`);
  await isWholeWithoutGaps();
  expect((await bench.entries(stream)).map((entry) => entry.aggregateId)).toContain('prepared-2');
  await publisher.stop();
});

test('a crash of PostgreSQL under load loses nothing and leaves no gap', async () => {
  bench.start(small);
  const load = async (n: number) => {
    for (let round = 0; round < 40; round += 1) {
      const steps = [
        { kind: 'append', aggregates: [n, (n + round) % 10] },
        { kind: 'dawdle', turns: 3 },
      ] as const;
      await play('crash', { steps, ending: round % 4 === 0 ? 'rollback' : 'commit' }, 'unused').catch(
        () => 'there is no server now',
      );
    }
  };
  const all = Promise.all(Array.from({ length: 8 }, (_, n) => load(n)));
  await eventually(async () => (await cursor()) > 40);
  await postgres.kill();
  await postgres.restart();
  await all;

  await bench.insert(['ann']);
  await reaches(sound);
  await eventually(async () => (await gaps()) === 0);
});

describe('an outbox that was dumped and restored into another cluster', () => {
  const tables = ['outbox_events', 'outbox_cursor', 'outbox_gaps', 'outbox_batches', 'outbox_parked'];

  /** As pg_dump does it: one snapshot of all the tables, no triggers on the way in, the sequence last. */
  async function move(from: Bench, to: Bench): Promise<void> {
    const source = new pg.Client({ connectionString: from.database.url });
    const target = new pg.Client({ connectionString: to.database.url });
    await Promise.all([source.connect(), target.connect()]);
    await source.query('begin isolation level repeatable read');
    await target.query(`set session_replication_role = replica`);
    for (const table of tables) {
      const { rows } = await source.query<{ all: string }>(
        `select coalesce(json_agg(t), '[]')::text as all from ${table} t`,
      );
      await target.query(`delete from ${table}`);
      await target.query(
        `insert into ${table} select * from json_populate_recordset(null::${table}, $1::json)`,
        [rows[0]?.all],
      );
    }
    const { rows } = await source.query<{ last_value: string }>('select last_value from outbox_position');
    await target.query(`select setval('outbox_position', $1)`, [rows[0]?.last_value]);
    await Promise.all([source.end(), target.end()]);
  }

  const xidOf = async (on: Bench) =>
    Number(
      (await sql<{ xid: string }>`select pg_current_xact_id()::text as xid`.execute(on.db)).rows[0]?.xid,
    );

  test('decides its open gaps anew, by the transaction IDs of the new one', async () => {
    await producers.query(
      'do $$ begin for n in 1..3000 loop perform pg_current_xact_id(); commit; end loop; end $$',
    );
    const first = bench.start(small);
    const [late, never] = [await producers.connect(), await producers.connect()];
    for (const client of [late, never]) await client.query('begin');
    await append(late, ['late-1', 'late-2']);
    await append(never, ['never']);
    await bench.insert(['ann', 'bob', 'ann']);
    await reaches(sound);
    await eventually(async () => (await gaps()) > 0);
    await first.stop();
    await late.query('commit');
    await bench.insert(['cyd', 'late-1']);
    const other = await startPostgres({ settings });
    const restored = await createBench(other.url());
    try {
      await move(bench, restored);
      await never.query('rollback');
      for (const client of [late, never]) client.release();
      expect(await xidOf(restored)).toBeLessThan((await xidOf(bench)) - 2_000);
      const open = new pg.Client({ connectionString: restored.database.url });
      await open.connect();
      await open.query('begin');
      await append(open, ['open']);
      restored.start(small, bench.redis.url);
      await restored.insert(['ann', 'never']);
      const here = { ...restored, entries: (name: string) => bench.entries(name) };

      await eventually(async () => {
        expect(await audit(here)).toMatchObject(sound);
        return true;
      });
      await open.query('commit');
      await open.end();
      await eventually(async () => {
        expect(await audit(here)).toEqual({ ...sound, repeated: [] });
        return (await restored.db.selectFrom('outbox_gaps').selectAll().execute()).length === 0;
      });
      const seen = (await bench.entries(stream)).map((entry) => entry.aggregateId);
      expect(seen).toEqual(expect.arrayContaining(['late-1', 'late-2', 'cyd', 'open', 'never']));
    } finally {
      await restored.close();
      await other.stop();
    }
  });
});
