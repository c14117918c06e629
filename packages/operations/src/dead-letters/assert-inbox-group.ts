import type { BusDatabase } from '@event-bus/database';
import { loadInboxGroups } from '@event-bus/inbox';
import type { Kysely } from 'kysely';
import { UnknownGroupError } from '../errors.ts';

/**
 * Tells a group without dead letters from one that does not exist.
 * @throws UnknownGroupError no runner ever stated that its inbox is in this database.
 */
export async function assertInboxGroup(db: Kysely<BusDatabase>, group: string): Promise<void> {
  const known = await loadInboxGroups(db);
  if (known.some((one) => one.group === group)) return;
  throw new UnknownGroupError(
    group,
    known.map((one) => one.group),
  );
}
