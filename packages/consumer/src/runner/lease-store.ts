import type { BusDatabase } from '@event-bus/database';
import { acquireLease, releaseLease, renewLease } from '@event-bus/inbox';
import type { Kysely } from 'kysely';
import type { LeaseStore } from './leases.ts';

/** The leases of a group, beside its inbox: handlers' transactions check them there. */
export function createLeaseStore(db: Kysely<BusDatabase>, group: string): LeaseStore {
  return {
    acquire: async ({ stream, holder, ttlMs }) =>
      (await acquireLease(db, { group, stream, holder, ttlMs })) ?? undefined,
    renew: ({ stream, token, ttlMs }) => renewLease(db, { group, stream, token }, ttlMs),
    release: async ({ stream, token }) => {
      await releaseLease(db, { group, stream, token });
    },
  };
}
