import type { BusDatabase } from '@event-bus/database';
import { CompiledQuery, type Kysely, sql, type Transaction } from 'kysely';

/** What a lease is for: one stream of one group. */
export interface LeaseKey {
  readonly group: string;
  readonly stream: string;
}

/** A lease that was granted. */
export interface GrantedLease extends LeaseKey {
  /** Grows with each grant. */
  readonly token: bigint;
}

/** The SQLSTATE with which {@link assertLease} fails. */
export const leaseLostState = 'LE001';

/**
 * Takes the lease if it is free, expired or already this holder's, for `ttlMs` by the database's clock, and
 * returns its token; `null` while somebody else holds it. A clock that is set back makes it last for no longer than it was
 * granted for. Resolves only when every transaction that passed {@link assertLease} under an older token has ended, and
 * none passes it later.
 */
export async function acquireLease(
  db: Kysely<BusDatabase>,
  request: LeaseKey & { readonly holder: string; readonly ttlMs: number },
): Promise<bigint | null> {
  const { rows } = await sql<{ token: string | null }>`
    select inbox_acquire_lease(${request.group}, ${request.stream}, ${request.holder},
      make_interval(secs => ${request.ttlMs}::float8 / 1000)) as token`.execute(db);
  const token = rows[0]?.token ?? null;
  return token === null ? null : BigInt(token);
}

/** Makes the lease last for `ttlMs` from now. `false` if it has passed to another holder. */
export async function renewLease(
  db: Kysely<BusDatabase>,
  lease: GrantedLease,
  ttlMs: number,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update inbox_leases l set expires_at = clock_timestamp() + t.ttl, ttl = t.ttl
    from make_interval(secs => ${ttlMs}::float8 / 1000) t(ttl)
    where consumer_group = ${lease.group} and stream = ${lease.stream} and token = ${lease.token}`.execute(
    db,
  );
  return numAffectedRows === 1n;
}

/** Lets the next holder in at once. `false` if the lease had passed to another already. */
export async function releaseLease(db: Kysely<BusDatabase>, lease: GrantedLease): Promise<boolean> {
  // The row stays: tokens must never be given out twice. It is nobody's from now on, so its holder cannot renew it.
  const { numAffectedRows } = await sql`
    update inbox_leases set expires_at = '-infinity', token = token + 1
    where consumer_group = ${lease.group} and stream = ${lease.stream} and token = ${lease.token}`.execute(
    db,
  );
  return numAffectedRows === 1n;
}

/**
 * Fails (SQLSTATE {@link leaseLostState}) unless the lease is held under this token, and keeps it from passing on
 * until the transaction ends. To be the last statement before COMMIT: from here on the transaction is ended by
 * the server if it idles for some seconds.
 */
export async function assertLease(trx: Transaction<BusDatabase>, lease: GrantedLease): Promise<void> {
  const { group, stream, token } = lease;
  await trx.executeQuery(CompiledQuery.raw('select inbox_assert_lease($1, $2, $3)', [group, stream, token]));
}
