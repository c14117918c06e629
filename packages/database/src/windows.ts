import { type Kysely, sql } from 'kysely';
import { WindowsBrokenError } from './errors.ts';
import type { BusDatabase } from './schema.ts';

/** How long an outbox keeps its log at least: as old as the oldest backup of Redis that one would restore. */
export interface OutboxWindow {
  readonly source: string;
  readonly keepMs: number;
}

/** How long a group's inbox remembers what it has settled. */
export interface InboxWindow {
  readonly group: string;
  readonly keepMs: number;
  /** The longest that an event may wait in a stream, a pending list or as a dead letter. */
  readonly longestWaitMs: number;
}

/** All windows that are registered. */
export interface Windows {
  readonly outboxes: readonly OutboxWindow[];
  readonly inboxes: readonly InboxWindow[];
}

/** Reads the windows of the whole bus, by name. */
export async function loadWindows(db: Kysely<BusDatabase>): Promise<Windows> {
  const outboxes = await db.selectFrom('outbox_windows').selectAll().orderBy('source').execute();
  const inboxes = await db.selectFrom('inbox_windows').selectAll().orderBy('consumer_group').execute();
  return {
    outboxes: outboxes.map((row) => ({ source: row.source, keepMs: Number(row.keep_ms) })),
    inboxes: inboxes.map((row) => ({
      group: row.consumer_group,
      keepMs: Number(row.keep_ms),
      longestWaitMs: Number(row.longest_wait_ms),
    })),
  };
}

/**
 * Checks that every inbox remembers an event for as long as any outbox may bring it again: a Redis that is restored from
 * the oldest backup holds it once more, and it may wait there.
 * @throws WindowsBrokenError naming the variables and figures.
 */
export function assertWindowsChain({ outboxes, inboxes }: Windows): void {
  const faults = inboxes.flatMap(({ group, keepMs, longestWaitMs }) =>
    outboxes
      .filter((outbox) => keepMs < outbox.keepMs + longestWaitMs)
      .map(
        (outbox) =>
          `INBOX_KEEP of group ${group} is ${days(keepMs)}, less than OUTBOX_KEEP of outbox ${outbox.source} (${days(outbox.keepMs)}) and LONGEST_WAIT of the group (${days(longestWaitMs)}) together: an event that comes again would be handled twice. Raise INBOX_KEEP, or lower one of the others`,
      ),
  );
  if (faults.length > 0) throw new WindowsBrokenError(faults.join('\n'));
}

/**
 * Registers the window of an outbox, if the chain of windows holds with it.
 * @throws WindowsBrokenError it does not; what was registered before stands.
 */
export async function registerOutboxWindow(db: Kysely<BusDatabase>, window: OutboxWindow): Promise<void> {
  await register(db, async (trx, { outboxes, inboxes }) => {
    assertWindowsChain({
      outboxes: [...outboxes.filter(({ source }) => source !== window.source), window],
      inboxes,
    });
    await sql`
      insert into outbox_windows (source, keep_ms) values (${window.source}, ${window.keepMs})
      on conflict (source) do update set keep_ms = excluded.keep_ms, seen_at = clock_timestamp()`.execute(
      trx,
    );
  });
}

/**
 * Registers the windows of groups, if the chain of windows holds with them.
 * @throws WindowsBrokenError it does not; what was registered before stands.
 */
export async function registerInboxWindows(
  db: Kysely<BusDatabase>,
  windows: readonly InboxWindow[],
): Promise<void> {
  const named = new Set(windows.map(({ group }) => group));
  await register(db, async (trx, { outboxes, inboxes }) => {
    assertWindowsChain({
      outboxes,
      inboxes: [...inboxes.filter(({ group }) => !named.has(group)), ...windows],
    });
    for (const { group, keepMs, longestWaitMs } of windows) {
      await sql`
        insert into inbox_windows (consumer_group, keep_ms, longest_wait_ms)
        values (${group}, ${keepMs}, ${longestWaitMs})
        on conflict (consumer_group) do update set keep_ms = excluded.keep_ms,
          longest_wait_ms = excluded.longest_wait_ms, seen_at = clock_timestamp()`.execute(trx);
    }
  });
}

/** One after the other: of two that do not fit together the second is refused. */
async function register(
  db: Kysely<BusDatabase>,
  write: (trx: Kysely<BusDatabase>, registered: Windows) => Promise<void>,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(1869968482, 4)`.execute(trx);
    await write(trx, await loadWindows(trx));
  });
}

function days(ms: number): string {
  return ms % 86_400_000 === 0 ? `${ms / 86_400_000}d` : `${ms / 1_000}s`;
}
