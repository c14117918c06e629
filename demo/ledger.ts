import { readFile } from 'node:fs/promises';
import pg from 'pg';

/** What one group made of what was appended for it. The lists hold event IDs. */
export interface GroupLedger {
  readonly group: string;
  /** Events that were appended for it. */
  readonly appended: number;
  /** Of those, the ones that had their effect. */
  readonly handled: number;
  /** What failed for good, as it was meant to. */
  readonly dead: readonly DeadLetter[];
  /** Is dead, though its handler would have handled it, or had its effect all the same. */
  readonly wronglyDead: readonly string[];
  readonly lost: readonly string[];
  readonly twice: readonly string[];
  /** Had their effect after one of the same user or project that was committed later. */
  readonly outOfOrder: readonly string[];
  /** Had an effect and were never committed. */
  readonly neverAppended: readonly string[];
}

/** An event that its group gave up. */
export interface DeadLetter {
  readonly eventId: string;
  readonly reason: string;
  readonly error: string;
}

/** One effect of an event, in the order in which the group's effects on one user or project came about. */
interface Effect {
  readonly eventId: string;
  readonly aggregateId: string;
}

interface Appended extends Effect {
  readonly version: number;
  /** Its handler fails on it each time. */
  readonly isBroken: boolean;
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
 * Compares what the producer noted with what the handlers left behind, and with what the bus says is dead: its own SQL,
 * over its own connection. But for the dead letters, it reads tables and a file that the bus knows nothing of.
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
    const mails = await readMails(from.mailFile, welcomed);
    ledgers.push(compare('welcome-email', welcomed, mails, await readDead(client, 'welcome-email')));
    for (const { group, topic, effects } of tableGroups) {
      const { rows } = await client.query<{ event_id: string; aggregate_id: string }>(effects);
      const found = rows.map((row) => ({ eventId: row.event_id, aggregateId: row.aggregate_id }));
      const appended = await readAppended(client, `aggregate_type = '${topic}'`);
      ledgers.push(compare(group, appended, found, await readDead(client, group)));
    }
    return ledgers;
  } finally {
    await client.end();
  }
}

async function readAppended(client: pg.Client, condition: string): Promise<Appended[]> {
  const { rows } = await client.query<{
    event_id: string;
    aggregate_id: string;
    version: number;
    is_broken: boolean;
  }>(
    `select event_id, aggregate_id, version, coalesce(trouble = 'always', false) as is_broken
     from demo.appended where ${condition}`,
  );
  return rows.map((row) => ({
    eventId: row.event_id,
    aggregateId: row.aggregate_id,
    version: row.version,
    isBroken: row.is_broken,
  }));
}

async function readDead(client: pg.Client, group: string): Promise<DeadLetter[]> {
  const { rows } = await client.query<{ event_id: string; reason: string; error: string }>(
    `select event_id, reason, error from dead_letters where consumer_group = $1 and state = 'dead' order by dead_at`,
    [group],
  );
  return rows.map((row) => ({ eventId: row.event_id, reason: row.reason, error: row.error }));
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

function compare(
  group: string,
  appended: readonly Appended[],
  effects: readonly Effect[],
  dead: readonly DeadLetter[],
): GroupLedger {
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
  const broken = new Set(appended.filter(({ isBroken }) => isBroken).map(({ eventId }) => eventId));
  const given = new Set(dead.map(({ eventId }) => eventId));
  const unhandled = appended.map(({ eventId }) => eventId).filter((eventId) => !seen.has(eventId));
  return {
    group,
    appended: appended.length,
    handled: appended.length - unhandled.length,
    dead,
    wronglyDead: [...given].filter((eventId) => !broken.has(eventId) || seen.has(eventId)),
    lost: unhandled.filter((eventId) => !given.has(eventId)),
    twice: [...twice],
    outOfOrder,
    neverAppended: [...seen].filter((eventId) => !versions.has(eventId)),
  };
}

/**
 * Whether every event had its effect in every group, once and in order, or is dead because its handler never takes it,
 * and nothing else had an effect.
 */
export function isClean(ledgers: readonly GroupLedger[]): boolean {
  return ledgers.every((ledger) => faultsOf(ledger).every(({ eventIds }) => eventIds.length === 0));
}

function faultsOf({ lost, twice, outOfOrder, wronglyDead, neverAppended }: GroupLedger) {
  return [
    { what: 'lost', eventIds: lost },
    { what: 'applied twice', eventIds: twice },
    { what: 'out of order', eventIds: outOfOrder },
    { what: 'dead, though its handler takes it', eventIds: wronglyDead },
    { what: 'handled, but never committed', eventIds: neverAppended },
  ];
}

/** The ledger as a table, and below it the IDs of the events that are not as they should be. */
export function renderLedger(ledgers: readonly GroupLedger[]): string {
  const rows = [
    [
      'group',
      'appended',
      'handled',
      'dead',
      'lost',
      'applied twice',
      'out of order',
      'wrongly dead',
      'never committed',
    ],
    ...ledgers.map((ledger) => [
      ledger.group,
      ...[
        ledger.appended,
        ledger.handled,
        ledger.dead.length,
        ...faultsOf(ledger).map(({ eventIds }) => eventIds.length),
      ].map((count) => count.toLocaleString('en')),
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

const shown = 5;

/** The dead letters with their reasons; undefined if there is none. */
export function renderDeadLetters(ledgers: readonly GroupLedger[]): string | undefined {
  const lines = ledgers.flatMap(({ group, dead }) => {
    if (dead.length === 0) return [];
    const more = dead.length > shown ? [`  and ${dead.length - shown} more`] : [];
    return [
      `Dead letters of ${group}, with their reasons:`,
      ...dead.slice(0, shown).map(({ eventId, reason, error }) => `  ${eventId}  ${reason}: ${error}`),
      ...more,
    ];
  });
  return lines.length === 0 ? undefined : lines.join('\n');
}
