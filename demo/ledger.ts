import { readFile } from 'node:fs/promises';
import pg from 'pg';

/** What one group made of what was appended for it. The lists hold event IDs. */
export interface GroupLedger {
  readonly group: string;
  /** Events that were appended for it. */
  readonly appended: number;
  /** Of those, the ones that had their effect. */
  readonly handled: number;
  readonly lost: readonly string[];
  readonly twice: readonly string[];
  /** Had their effect after one of the same user or project that was committed later. */
  readonly outOfOrder: readonly string[];
  /** Had an effect and were never committed. */
  readonly neverAppended: readonly string[];
}

/** One effect of an event, in the order in which the group's effects on one user or project came about. */
interface Effect {
  readonly eventId: string;
  readonly aggregateId: string;
}

interface Appended extends Effect {
  readonly version: number;
}

// What each group has to handle, and the table in which its handlers leave their effects.
const tableGroups = [
  {
    group: 'user-directory',
    topic: 'user',
    effects: 'select event_id, user_id as aggregate_id from user_directory_history order by user_id, version',
  },
  {
    group: 'project-activity',
    topic: 'project',
    effects:
      'select event_id, project_id as aggregate_id from demo.project_activity order by project_id, version',
  },
];

/**
 * Compares what the producer noted with what the handlers left behind: its own SQL, over its own connection, on
 * tables and a file that the bus knows nothing of.
 */
export async function readLedger(from: {
  readonly url: string;
  readonly mailFile: string;
}): Promise<GroupLedger[]> {
  const client = new pg.Client(from.url);
  await client.connect();
  try {
    const ledgers: GroupLedger[] = [];
    const welcomed = await readAppended(client, "event_type = 'user.created'");
    ledgers.push(compare('welcome-email', welcomed, await readMails(from.mailFile, welcomed)));
    for (const { group, topic, effects } of tableGroups) {
      const { rows } = await client.query<{ event_id: string; aggregate_id: string }>(effects);
      const found = rows.map((row) => ({ eventId: row.event_id, aggregateId: row.aggregate_id }));
      ledgers.push(compare(group, await readAppended(client, `aggregate_type = '${topic}'`), found));
    }
    return ledgers;
  } finally {
    await client.end();
  }
}

async function readAppended(client: pg.Client, condition: string): Promise<Appended[]> {
  const { rows } = await client.query<{ event_id: string; aggregate_id: string; version: number }>(
    `select event_id, aggregate_id, version from demo.appended where ${condition}`,
  );
  return rows.map((row) => ({ eventId: row.event_id, aggregateId: row.aggregate_id, version: row.version }));
}

/**
 * The mails that lie in mailboxes. A mail that was sent again carries the key it carried before, and a mailbox shows
 * it once: so does this. The receiver's address tells which sign-up it was for.
 */
async function readMails(file: string, appended: readonly Appended[]): Promise<Effect[]> {
  const signUps = new Map(appended.map(({ aggregateId, eventId }) => [aggregateId, eventId]));
  const mails = new Map<string, Effect>();
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    if (line === '') continue;
    const { to, idempotencyKey } = JSON.parse(line) as {
      readonly to: string;
      readonly idempotencyKey: string;
    };
    const aggregateId = to.slice(0, to.indexOf('@'));
    mails.set(idempotencyKey, { aggregateId, eventId: signUps.get(aggregateId) ?? `(mail to ${to})` });
  }
  return [...mails.values()];
}

function compare(group: string, appended: readonly Appended[], effects: readonly Effect[]): GroupLedger {
  const versions = new Map(appended.map(({ eventId, version }) => [eventId, version]));
  const seen = new Set<string>();
  const latest = new Map<string, number>();
  const twice = new Set<string>();
  const outOfOrder: string[] = [];
  for (const { eventId, aggregateId } of effects) {
    const version = versions.get(eventId);
    if (seen.has(eventId)) {
      twice.add(eventId);
    } else if (version !== undefined) {
      if (version < (latest.get(aggregateId) ?? 0)) outOfOrder.push(eventId);
      latest.set(aggregateId, Math.max(version, latest.get(aggregateId) ?? 0));
    }
    seen.add(eventId);
  }
  const lost = appended.map(({ eventId }) => eventId).filter((eventId) => !seen.has(eventId));
  return {
    group,
    appended: appended.length,
    handled: appended.length - lost.length,
    lost,
    twice: [...twice],
    outOfOrder,
    neverAppended: [...seen].filter((eventId) => !versions.has(eventId)),
  };
}

/** Whether every event had its effect in every group, once and in order, and nothing else had one. */
export function isClean(ledgers: readonly GroupLedger[]): boolean {
  return ledgers.every((ledger) => faultsOf(ledger).every(({ eventIds }) => eventIds.length === 0));
}

function faultsOf({ lost, twice, outOfOrder, neverAppended }: GroupLedger) {
  return [
    { what: 'lost', eventIds: lost },
    { what: 'applied twice', eventIds: twice },
    { what: 'out of order', eventIds: outOfOrder },
    { what: 'handled, but never committed', eventIds: neverAppended },
  ];
}

/** The ledger as a table, and below it the IDs of the events that are not as they should be. */
export function renderLedger(ledgers: readonly GroupLedger[]): string {
  const rows = [
    ['group', 'appended', 'handled', 'lost', 'applied twice', 'out of order', 'never committed'],
    ...ledgers.map((ledger) => [
      ledger.group,
      ...[ledger.appended, ledger.handled, ...faultsOf(ledger).map(({ eventIds }) => eventIds.length)].map(
        (count) => count.toLocaleString('en'),
      ),
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('   '),
  );
  for (const ledger of ledgers) {
    for (const { what, eventIds } of faultsOf(ledger)) {
      if (eventIds.length > 0)
        lines.push('', `${ledger.group}, ${what}:`, ...eventIds.map((id) => `  ${id}`));
    }
  }
  return lines.join('\n');
}
