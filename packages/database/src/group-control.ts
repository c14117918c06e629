import { type Kysely, sql, type Transaction } from 'kysely';
import { recordAction } from './operator-actions.ts';
import type { BusDatabase } from './schema.ts';

/** Who paused a group, when and why. */
export interface GroupPause {
  readonly at: Date;
  readonly by: string;
  readonly reason: string | null;
}

/** Who asks something of a group, and why. */
export interface ControlRequest {
  readonly operator: string;
  readonly reason: string | null;
}

/** What became of it. */
export interface ControlOutcome {
  /** `false`: it was so already, and nothing was done. */
  readonly changed: boolean;
  /** The pause that stands now, or the one that was ended; `null` if there was none to end. */
  readonly pause: GroupPause | null;
}

/**
 * Pauses a group: its runners start nothing until it is resumed. A pause that stands already stays as it is. Returns
 * `undefined` if the group is not registered.
 */
export function pauseGroup(
  db: Kysely<BusDatabase>,
  group: string,
  { operator, reason }: ControlRequest,
): Promise<ControlOutcome | undefined> {
  return db.transaction().execute(async (trx) => {
    const standing = await lockPause(trx, group);
    if (standing === undefined) return undefined;
    if (standing !== null) return { changed: false, pause: standing };
    const { rows } = await sql<PauseRow>`
      update consumer_groups set paused_at = clock_timestamp(), paused_by = ${operator}, pause_reason = ${reason}
      where name = ${group} returning name, paused_at, paused_by, pause_reason`.execute(trx);
    await recordAction(trx, { operator, action: 'pause', group, reason });
    return { changed: true, pause: toPause(rows[0]) };
  });
}

/** Ends the pause of a group. Returns `undefined` if the group is not registered. */
export function resumeGroup(
  db: Kysely<BusDatabase>,
  group: string,
  { operator, reason }: ControlRequest,
): Promise<ControlOutcome | undefined> {
  return db.transaction().execute(async (trx) => {
    const pause = await lockPause(trx, group);
    if (pause === undefined) return undefined;
    if (pause === null) return { changed: false, pause };
    await sql`update consumer_groups set paused_at = null, paused_by = null, pause_reason = null
      where name = ${group}`.execute(trx);
    const details = { pausedAt: pause.at, pausedBy: pause.by, pauseReason: pause.reason };
    await recordAction(trx, { operator, action: 'resume', group, reason, details });
    return { changed: true, pause };
  });
}

/** The groups that are paused, by name. */
export async function loadPauses(db: Kysely<BusDatabase>): Promise<Map<string, GroupPause>> {
  const { rows } = await sql<PauseRow>`
    select name, paused_at, paused_by, pause_reason from consumer_groups where paused_at is not null`.execute(
    db,
  );
  return new Map(
    rows.flatMap((row) => {
      const pause = toPause(row);
      return pause === null ? [] : [[row.name, pause] as const];
    }),
  );
}

interface PauseRow {
  readonly name: string;
  readonly paused_at: Date | null;
  readonly paused_by: string | null;
  readonly pause_reason: string | null;
}

/** Of two who ask at a time the second sees what the first has done. `undefined` if the group is not registered. */
async function lockPause(
  trx: Transaction<BusDatabase>,
  group: string,
): Promise<GroupPause | null | undefined> {
  const { rows } = await sql<PauseRow>`
    select name, paused_at, paused_by, pause_reason from consumer_groups where name = ${group} for update`.execute(
    trx,
  );
  return rows.length === 0 ? undefined : toPause(rows[0]);
}

function toPause(row: PauseRow | undefined): GroupPause | null {
  if (row === undefined || row.paused_at === null) return null;
  return { at: row.paused_at, by: row.paused_by ?? '', reason: row.pause_reason };
}
