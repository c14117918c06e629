import type { ArchiveStore } from '@event-bus/archive';
import type { BusDatabase } from '@event-bus/database';
import type { EventTransport } from '@event-bus/transport';
import type { RedisUser, ServerExamination } from '@event-bus/transport/redis';
import type { Kysely } from 'kysely';
import type { OutboxPool } from '../outbox-pool.ts';
import type { PolicyOf } from '../retention/policy.ts';
import { type Finding, type Report, reportTo } from './finding.ts';
import { checkOutbox } from './outbox.ts';
import { checkArchive, checkDatabase, checkRedis } from './servers.ts';
import { checkGroups, checkStreams } from './streams.ts';
import { checkLetters, checkPruning, checkReplays, checkRetention } from './upkeep.ts';

/** A deployment, as its environment names it. Nothing of it need be reachable. */
export interface Deployment {
  readonly outbox: { readonly pool: OutboxPool; readonly db: Kysely<BusDatabase> };
  readonly inbox: Kysely<BusDatabase>;
  readonly bus: Kysely<BusDatabase>;
  /** Each database once, with the names of the variables that name it. */
  readonly databases: ReadonlyMap<Kysely<BusDatabase>, string>;
  readonly transport: EventTransport;
  readonly examineRedis: () => Promise<ServerExamination>;
  /** What kind of process the user of Redis is for. */
  readonly redisUser: RedisUser;
  /** `undefined`: there is none. */
  readonly store: ArchiveStore | undefined;
  readonly policyOf: PolicyOf;
  /** What an error says, for people. */
  readonly describe: (error: unknown) => string;
}

/**
 * Checks a deployment from where it is called, in the order in which one thing stands on another. What cannot be reached is a
 * problem, and what can only be told from it is not looked at. Changes nothing, but for an object that it writes to the archive
 * and deletes.
 */
export async function examine(deployment: Deployment): Promise<Finding[]> {
  const { outbox, inbox, bus, transport, store, policyOf, describe } = deployment;
  const findings: Finding[] = [];
  const attempt = async (check: string, advice: string, look: (report: Report) => Promise<unknown>) => {
    const report = reportTo(findings, check);
    try {
      return (await look(report)) !== false;
    } catch (error) {
      report.problem(describe(error), advice);
      return false;
    }
  };

  const usable = new Set<Kysely<BusDatabase>>();
  for (const [db, name] of deployment.databases) {
    const check = deployment.databases.size === 1 ? 'PostgreSQL' : `PostgreSQL (${name})`;
    const advice = `see whether ${name} and the network are right, and whether \`bus migrate\` has run`;
    if (await attempt(check, advice, (report) => checkDatabase(db, report))) usable.add(db);
  }
  const hasRedis = await attempt('Redis', 'see whether REDIS_URL and the network are right', async (report) =>
    checkRedis(await deployment.examineRedis(), deployment.redisUser, report),
  );
  if (store !== undefined)
    await attempt('archive', 'see docs/archive.md for what a store has to allow', (report) =>
      checkArchive(store, report),
    );

  const { pool } = outbox;
  const [hasOutbox, hasInbox, hasBus] = [outbox.db, inbox, bus].map((db) => usable.has(db));
  const tell = 'this is not expected: report it with what stands here';
  if (hasOutbox) await attempt('outbox', tell, (report) => checkOutbox(pool, report));
  if (hasOutbox && hasBus && hasRedis) {
    const observer = transport.observer();
    await attempt('streams', tell, () => checkStreams({ pool, bus, transport, observer }, findings));
    await attempt('groups', tell, () => checkGroups({ bus, observer }, findings));
    const parts = { bus, observer, trimmer: transport.trimmer(), policyOf };
    await attempt('retention', tell, () => checkRetention(parts, findings));
    if (hasInbox) {
      const windows = { pool, outbox: outbox.db, inbox, bus, streams: observer };
      await attempt('pruning', tell, () => checkPruning(windows, findings));
    }
  }
  if (hasInbox) await attempt('dead letters', tell, () => checkLetters(inbox, findings));
  if (hasBus) await attempt('replays', tell, () => checkReplays(bus, findings));
  return findings;
}
