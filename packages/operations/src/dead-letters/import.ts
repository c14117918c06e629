import { type BusDatabase, recordAction } from '@event-bus/database';
import { bringBack, type LetterRecord, loadInboxGroups } from '@event-bus/inbox';
import type { Kysely } from 'kysely';
import type { OperatorRequest } from '../operator-request.ts';
import { registeredStreams } from '../topology.ts';
import { type KnownPlaces, parseLetterLine } from './letter-line.ts';
import { batchSize } from './request.ts';

/** What became of letters that were to be brought back. */
export interface ImportReport {
  /** Read, and fit. */
  readonly letters: number;
  /** Are dead letters now. */
  readonly broughtBack: number;
  /** Were already, or are being redriven. */
  readonly open: number;
  /** Their events were handled meanwhile. */
  readonly handled: number;
}

/** The databases that an import looks at: that of the inboxes, and that of the whole bus. */
export interface ImportDatabases {
  readonly db: Kysely<BusDatabase>;
  readonly bus: Kysely<BusDatabase>;
}

/**
 * Checks lines of letters, and does nothing. Returns how many they are.
 * @throws LetterLineError at the first that does not fit.
 */
export async function checkLetters(
  databases: ImportDatabases,
  lines: AsyncIterable<string>,
): Promise<number> {
  const known = await knownPlaces(databases);
  let letters = 0;
  for await (const page of parsedPages(lines, known)) letters += page.length;
  return letters;
}

/**
 * Brings letters back as dead ones where they are missing: those that this database does not know, and those that were
 * discarded. May be repeated. Letters that were brought back before a line that does not fit stay.
 * @throws LetterLineError at the first line that does not fit.
 */
export async function importLetters(
  databases: ImportDatabases,
  lines: AsyncIterable<string>,
  {
    operator,
    reason,
    from,
    onProgress,
  }: OperatorRequest & {
    /** Where the lines are from, for the record. */
    readonly from: string;
    readonly onProgress?: (report: ImportReport) => void;
  },
): Promise<ImportReport> {
  const { db } = databases;
  const known = await knownPlaces(databases);
  const totals = { letters: 0, dead: 0, open: 0, handled: 0 };
  let actionId: string | undefined;
  for await (const page of parsedPages(lines, known)) {
    const ends = await db.transaction().execute(async (trx) => {
      const action = { operator, action: 'import', group: null, reason, details: { from } } as const;
      actionId ??= await recordAction(trx, action);
      return bringBack(trx, page, actionId);
    });
    totals.letters += ends.length;
    for (const end of ends) totals[end] += 1;
    onProgress?.(toReport(totals));
  }
  return toReport(totals);
}

function toReport({ letters, dead, open, handled }: Record<'letters' | 'dead' | 'open' | 'handled', number>) {
  return { letters, broughtBack: dead, open, handled };
}

async function knownPlaces({ db, bus }: ImportDatabases): Promise<KnownPlaces> {
  const groups = await loadInboxGroups(db);
  return {
    groups: new Set(groups.map(({ group }) => group)),
    streams: new Set((await registeredStreams(bus)).keys()),
  };
}

/** With the line that reaches it a page ends: each letter is held several times over until it is written. */
const pageCharacters = 1024 ** 2;

async function* parsedPages(
  lines: AsyncIterable<string>,
  known: KnownPlaces,
): AsyncGenerator<LetterRecord[], void> {
  let page: LetterRecord[] = [];
  let characters = 0;
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === '') continue;
    page.push(parseLetterLine(line, number, known));
    characters += line.length;
    if (page.length < batchSize && characters < pageCharacters) continue;
    yield page;
    [page, characters] = [[], 0];
  }
  if (page.length > 0) yield page;
}
