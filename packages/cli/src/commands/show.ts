import { archiveConfig, findEvent, openArchiveStore } from '@event-bus/archive';
import { databaseConfig, httpUrl, loadConfig, postgresUrl, redisConfig, sameAs } from '@event-bus/config';
import { type EventLife, readEventLife } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import type { SetStatus } from '../exit-status.ts';
import { parseEventId, withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { describeLife, type Shown } from './show-text.ts';

const config = z.object({
  DATABASE_URL: databaseConfig.DATABASE_URL,
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
  INBOX_DATABASE_URL: sameAs('DATABASE_URL', postgresUrl()),
  ...redisConfig,
  ...archiveConfig,
  ARCHIVE_URL: archiveConfig.ARCHIVE_URL.optional(),
  JAEGER_URL: httpUrl().optional(),
});

type Env = z.output<typeof config>;

/** `bus show` */
export function addShow(program: Command, setStatus: SetStatus): void {
  withJson(program.command('show').argument('<event_id>', 'any event', parseEventId))
    .summary('show the life of one event')
    .description(
      'Says what became of an event, from the data itself: its row in the outbox, the batch and the entry by which it was ' +
        'published, how each group fares with it, its dead letters and what people did to them; with ARCHIVE_URL the object ' +
        'that holds it, and with JAEGER_URL the address of its trace. It ends with 1 if nothing knows the event. Payloads are ' +
        'not shown.',
    )
    .addHelpText('after', '\nExample:\n  $ bus show 0f8fad5b-d9cb-469f-a165-70867728950e')
    .action(async (eventId: string, { json }: { readonly json?: true }) => {
      const env = loadConfig(config, process.env);
      const shown = await withConnections(async (connections) => {
        const { pool } = await connections.database(env.DATABASE_URL);
        const { db: bus } = await connections.database(env.BUS_DATABASE_URL);
        const { db: inbox } = await connections.database(env.INBOX_DATABASE_URL);
        const observer = connections.redis(env.REDIS_URL).observer();
        const life = await readEventLife({ pool, bus, inbox, observer }, eventId);
        return { ...life, archive: await findInArchive(env, life), traceUrl: traceUrlOf(env, life) };
      });
      if (!isKnown(shown)) setStatus(1);
      if (json === true)
        printJson({ ...shown, letters: shown.letters.map((letter) => ({ ...letter, fields: undefined })) });
      else print(describeLife(shown));
    });
}

/** `null` where no archive is configured; otherwise the objects that hold it. */
async function findInArchive(env: Env, { eventId, place }: EventLife): Promise<Shown['archive']> {
  const { ARCHIVE_URL } = env;
  if (ARCHIVE_URL === undefined || place === null) return null;
  const store = await openArchiveStore({ ...env, ARCHIVE_URL });
  try {
    const { stream, after, upTo } = place;
    const range = { stream, to: upTo, ...(after !== null && { from: after }) };
    const found: { key: string; entryId: string }[] = [];
    for await (const { key, entry } of findEvent(store, { ...range, eventId })) {
      found.push({ key, entryId: entry.id });
    }
    return found;
  } finally {
    await store.close();
  }
}

function traceUrlOf({ JAEGER_URL }: Env, { traceId }: EventLife): string | null {
  if (JAEGER_URL === undefined || traceId === '') return null;
  return `${JAEGER_URL.replace(/\/+$/, '')}/trace/${traceId}`;
}

function isKnown({ outbox, place, letters, groups }: Shown): boolean {
  return outbox !== null || place !== null || letters.length > 0 || groups.length > 0;
}
