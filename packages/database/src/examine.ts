import { type Kysely, sql } from 'kysely';
import type { BusDatabase } from './schema.ts';

/** What a PostgreSQL says of itself, and what the role of the connection may do with the bus's tables there. */
export interface DatabaseExamination {
  /** Such as `18.1`. */
  readonly version: string;
  /** The number of the major version. */
  readonly major: number;
  readonly database: string;
  readonly role: string;
  readonly isStandby: boolean;
  readonly fsync: string;
  readonly synchronousCommit: string;
  /** 0: a transaction that idles is never ended. */
  readonly idleInTransactionTimeoutMs: number;
  /** How far its clock is ahead of this machine's. */
  readonly aheadMs: number;
  /** Tables and sequences of the bus that the role may not both read and change. */
  readonly forbiddenTables: readonly string[];
  /** Event tables that the role does not own, and of those it owns the partitions: it cannot make partitions, or drop them. */
  readonly foreignTables: readonly string[];
}

/** Looks at a database and at what the role of the connection may do. It need not be migrated. */
export async function examineDatabase(db: Kysely<BusDatabase>): Promise<DatabaseExamination> {
  const sentAt = Date.now();
  const { rows } = await sql<Omit<DatabaseExamination, 'aheadMs'> & { now: Date }>`
    with bus as (
      select c.oid, c.relname, c.relowner, c.relkind = 'S' as is_sequence from pg_class c
      where c.relnamespace = (select relnamespace from pg_class where oid = to_regclass('bus_migrations'))
        and c.relkind in ('r', 'p', 'S') and not c.relispartition
        and c.relname ~ '^(outbox|inbox|stream_retention|replay|operator_action|bus_migrations)|^(dead_letters|topics|consumer_groups|group_runners)$'
    )
    select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
      current_database() as database, current_user as role, pg_is_in_recovery() as "isStandby",
      current_setting('fsync') as fsync, current_setting('synchronous_commit') as "synchronousCommit",
      (select setting::int from pg_settings where name = 'idle_in_transaction_session_timeout') as "idleInTransactionTimeoutMs",
      clock_timestamp() as now,
      array(select relname::text from bus
        where not case when is_sequence then has_sequence_privilege(oid, 'select') and has_sequence_privilege(oid, 'usage')
          else has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
            and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete') end
        order by relname) as "forbiddenTables",
      array(select relname::text from bus
        where relname in ('outbox_events', 'inbox_events') and not pg_has_role(relowner, 'usage')
        union all
        select c.relname::text
        from bus p join pg_inherits i on i.inhparent = p.oid join pg_class c on c.oid = i.inhrelid
        where p.relname in ('outbox_events', 'inbox_events')
          and pg_has_role(p.relowner, 'usage') and not pg_has_role(c.relowner, 'usage')
        order by 1) as "foreignTables"`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL said nothing of itself');
  const { now, ...facts } = row;
  // As if it had been asked halfway.
  return { ...facts, aheadMs: now.getTime() - (sentAt + Date.now()) / 2 };
}
