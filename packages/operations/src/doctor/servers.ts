import { type ArchiveStore, probeStore } from '@event-bus/archive';
import { assertSchemaIsCurrent, type BusDatabase, examineDatabase } from '@event-bus/database';
import type { RedisUser, ServerExamination } from '@event-bus/transport/redis';
import type { Kysely } from 'kysely';
import { checkClock, type Report } from './finding.ts';

/**
 * Looks at a PostgreSQL: whether it can be used as it is, has the schema that this version knows, and lets the role do what
 * publisher and runners have to. Returns whether the tables of the bus can be read.
 * @throws what keeps it from being asked, or SchemaOutdatedError, SchemaNewerError, SchemaMisplacedError.
 */
export async function checkDatabase(db: Kysely<BusDatabase>, report: Report): Promise<boolean> {
  const found = await examineDatabase(db);
  const { version, major, database, role } = found;
  if (major < 14)
    report.problem(`PostgreSQL ${version} is older than 14`, 'upgrade: the tables need its multiranges');
  if (found.isStandby)
    report.problem('it is a standby, and takes no writes', 'let the URL name the primary server');
  for (const [name, value] of [
    ['fsync', found.fsync],
    ['synchronous_commit', found.synchronousCommit],
  ] as const) {
    if (value === 'off')
      report.warning(
        `${name} is off: what was committed and published can be lost`,
        `set ${name} = on, as infra/postgres/postgresql.conf does`,
      );
  }
  if (found.idleInTransactionTimeoutMs === 0)
    report.warning(
      'idle_in_transaction_session_timeout is 0: a forgotten transaction keeps its gap in the log open for ever',
      "set it to '5min', as infra/postgres/postgresql.conf does",
    );
  checkClock(report, found.aheadMs);
  const tables = found.forbiddenTables;
  if (tables.length > 0) {
    report.problem(
      `the role ${role} may not read and change ${tables.join(', ')}`,
      'connect as the role that ran `bus migrate`, as infra/postgres/roles.sql makes it',
    );
    return false;
  }
  await assertSchemaIsCurrent(db);
  if (found.foreignTables.length > 0)
    report.warning(
      `the role ${role} does not own ${found.foreignTables.join(' and ')}`,
      'let publisher and runners connect as the owner of all of them: others can neither make partitions nor drop them: runbook BusPruneBlocked',
    );
  report.ok(`PostgreSQL ${version}, database ${database}, role ${role}, its schema is current`);
  return true;
}

const oldestRedis = [6, 2] as const;

/** Judges what a Redis says of itself. */
export function checkRedis(found: ServerExamination, user: RedisUser, report: Report): void {
  const { name, evictionPolicy, usedMemoryBytes, maxMemoryBytes, forbidden } = found;
  const [major = 0, minor = 0] = found.redisVersion.split('.').map(Number);
  if (major < oldestRedis[0] || (major === oldestRedis[0] && minor < oldestRedis[1]))
    report.problem(`${name} is older than 6.2`, 'upgrade it');
  if (!found.isMaster)
    report.problem('it is a replica, and takes no writes', 'let REDIS_URL name the master');
  if (evictionPolicy !== 'noeviction')
    report.problem(
      `maxmemory-policy is ${evictionPolicy}: when memory is full, whole streams are thrown away`,
      'CONFIG SET maxmemory-policy noeviction, and the same in redis.conf',
    );
  if (!found.isAppendOnly)
    report.warning(
      'it keeps no append-only file: a restart loses what came after the last snapshot, which is then written again',
      'set appendonly yes, as infra/redis/redis.conf does',
    );
  const share = maxMemoryBytes === null ? null : usedMemoryBytes / maxMemoryBytes;
  const percent = share === null ? '' : `${Math.round(share * 100)} %`;
  if (share === null)
    report.warning('it has no maxmemory: the kernel ends it when the machine is full', 'set maxmemory');
  else if (share > 0.9)
    report.problem(
      `${percent} of maxmemory are used: it refuses writes when it is full`,
      'raise maxmemory, or see with `bus retention explain` what keeps entries from being trimmed',
    );
  else if (share > 0.8)
    report.warning(
      `${percent} of maxmemory are used`,
      'see with `bus retention explain` what keeps entries from being trimmed',
    );
  if (found.aheadMs !== null) checkClock(report, found.aheadMs);
  if (forbidden.length > 0)
    report.problem(
      `the user of REDIS_URL may not send ${forbidden.join(', ')} to the keys of the bus, as a ${user} has to`,
      `grant what infra/redis/users.acl grants to ${user}, or say --as which other kind of process it is`,
    );
  const memory = share === null ? '' : `, ${percent} of its memory used`;
  report.ok(`${name}, ${evictionPolicy}${memory}, with what a ${user} may send`);
}

/**
 * Writes, reads and deletes an object.
 * @throws StoreUnavailableError, StoreRefusedError, ContentMismatchError
 */
export async function checkArchive(store: ArchiveStore, report: Report): Promise<void> {
  await probeStore(store);
  report.ok(`${store.location} can be written, read and deleted from`);
}
