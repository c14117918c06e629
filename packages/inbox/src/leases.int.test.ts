import type { BusDatabase } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { type ControlledTransaction, sql, type Transaction } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { acquireLease, assertLease, type GrantedLease, releaseLease, renewLease } from './leases.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => database.close());

const key = { group: 'g', stream: 'events:user' };
const acquire = (holder: string, ttlMs: number) => acquireLease(database.db, { ...key, holder, ttlMs });
const lease = (token: bigint | null): GrantedLease => ({ ...key, token: token ?? -1n });
const begin = (): Promise<ControlledTransaction<BusDatabase>> => database.db.startTransaction().execute();

/** For what the machine may take its time over. */
const patient = { timeout: 20_000 };

/** Passes the check, and is not thrown out however long the test takes from there to COMMIT. */
async function check(trx: Transaction<BusDatabase>, held: GrantedLease): Promise<void> {
  await assertLease(trx, held);
  await sql`set local idle_in_transaction_session_timeout = 0`.execute(trx);
}

/** How many sessions of this database wait for a lock. */
const blocked = async () => {
  const { rows } = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
    database.db,
  );
  return rows.length;
};

test('one holder at a time has the lease, and each grant has a higher token', async () => {
  const first = await acquire('a', 60_000);

  expect(first).toBe(1n);
  expect(await acquire('b', 60_000)).toBeNull();
  expect(await acquire('a', 60_000)).toBe(2n);
  expect(await acquireLease(database.db, { ...key, stream: 'events:project', holder: 'b', ttlMs: 1 })).toBe(
    1n,
  );
});

/** Leaves the lease as it is found after the clock of the database was set back. */
const setClockBack = () =>
  sql`update inbox_leases set expires_at = expires_at + interval '1 hour'`.execute(database.db);

test('a clock that is set back does not prolong the lease of a holder that died', async () => {
  await acquire('a', 300);
  await setClockBack();

  expect(await acquire('b', 60_000)).toBeNull();
  await expect.poll(() => acquire('b', 60_000), patient).toBe(2n);
});

test('a clock that is set back takes the lease from no holder that renews it', async () => {
  const first = lease(await acquire('a', 60_000));
  await renewLease(database.db, first, 120_000);
  await setClockBack();

  expect(await acquire('b', 1)).toBeNull();
  const { rows } = await sql<{ rest: number }>`
    select extract(epoch from expires_at - clock_timestamp())::float8 as rest from inbox_leases`.execute(
    database.db,
  );
  expect(rows[0]?.rest).toBeGreaterThan(60);
  expect(await renewLease(database.db, first, 60_000)).toBe(true);
  expect(await acquire('b', 1)).toBeNull();
});

test('of twenty that ask for an expired lease at once, one gets it', async () => {
  await acquire('a', 0);

  const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => acquire(`b${index}`, 60_000)));

  expect(tokens.filter((token) => token !== null)).toEqual([2n]);
});

test('a lease is renewed by its holder only, also when it expired and nobody took it', async () => {
  const first = lease(await acquire('a', 0));
  expect(await renewLease(database.db, first, 60_000)).toBe(true);
  expect(await acquire('b', 60_000)).toBeNull();

  await renewLease(database.db, first, 0);
  await acquire('b', 60_000);
  expect(await renewLease(database.db, first, 60_000)).toBe(false);
});

test('a released lease can be had at once, and its old holder can do nothing with it', async () => {
  const first = lease(await acquire('a', 60_000));

  expect(await releaseLease(database.db, first)).toBe(true);

  expect(await renewLease(database.db, first, 60_000)).toBe(false);
  const trx = await begin();
  await expect(assertLease(trx, first)).rejects.toMatchObject({ code: 'LE001' });
  await trx.rollback().execute();
  expect(await acquire('b', 60_000)).toBeGreaterThan(first.token);
  expect(await releaseLease(database.db, first)).toBe(false);
});

test('who passed the check commits before the next holder has the lease', async () => {
  const first = lease(await acquire('a', 0));
  const trx = await begin();
  await check(trx, first);

  let granted: bigint | null = null;
  const second = acquire('b', 60_000).then((token) => {
    granted = token;
  });
  await expect.poll(blocked, patient).toBe(1);
  expect(granted).toBeNull();
  await trx.commit().execute();
  await second;

  expect(granted).toBe(2n);
});

test('the check sees a takeover that happened while its transaction was open', async () => {
  const first = lease(await acquire('a', 0));
  const trx = await begin();
  await sql`select count(*) from inbox_leases`.execute(trx);
  await acquire('b', 60_000);

  await expect(assertLease(trx, first)).rejects.toThrow(/passed to another holder/);
  await trx.rollback().execute();
});

test('checks of one lease don’t wait for each other, nor does a renewal wait for them', async () => {
  const held = lease(await acquire('a', 60_000));
  const [one, two] = [await begin(), await begin()];

  await check(one, held);
  await check(two, held);
  expect(await renewLease(database.db, held, 60_000)).toBe(true);

  await one.commit().execute();
  await two.commit().execute();
});

test('a holder that freezes between the check and COMMIT is thrown out within seconds', async () => {
  const first = lease(await acquire('a', 0));
  const trx = await begin();
  await assertLease(trx, first);

  expect(await acquire('b', 60_000)).toBe(2n);
  await expect(trx.commit().execute()).rejects.toThrow();
  // Gives the broken connection back.
  await expect(trx.rollback().execute()).rejects.toThrow();
});
