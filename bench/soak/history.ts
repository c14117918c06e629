import { gunzipSync } from 'node:zlib';
import type { S3Server } from '@event-bus/testkit';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { withClient } from '../harness/with-client.ts';

/** How archive and streams together differ from what was committed. All are 0 if nothing was lost, added or changed. */
export interface HistoryFaults {
  /** Events that stand nowhere. */
  readonly missing: number;
  /** Whose payload is not to the byte what was committed. */
  readonly changed: number;
  /** That stand under more than one entry ID. */
  readonly twice: number;
  readonly 'never committed': number;
}

/** An event as it was found somewhere. */
interface Found {
  readonly eventId: string;
  /** With its stream. */
  readonly entry: string;
  readonly payload: string;
}

const streams = ['events:user', 'events:project'];
const foundAtATime = 5_000;

// Outside the bus: a copy of what each transaction committed, which no pruning touches.
const copyCommitted = `
  create schema soak;
  create table soak.committed (event_id uuid primary key, digest text not null);
  create table soak.found (event_id uuid not null, entry text not null, digest text not null);
  create function soak.copy() returns trigger language plpgsql as $$
  begin
    insert into soak.committed values (new.event_id, md5(new.payload::text));
    return null;
  end $$;
  create trigger soak_copy after insert on outbox_events for each row execute function soak.copy()`;

/** From now on notes what is committed. */
export function noteCommitted(url: string): Promise<unknown> {
  return withClient(url, (client) => client.query(copyCommitted));
}

/**
 * Compares archive and streams with what was noted, by its own reading of both. Streams come first: what leaves them meanwhile
 * is found in the archive.
 */
export function compareHistory(parts: {
  readonly url: string;
  readonly redis: Redis;
  readonly s3: S3Server;
  readonly bucket: string;
}): Promise<HistoryFaults> {
  const { url, redis, s3, bucket } = parts;
  return withClient(url, async (client) => {
    await client.query('truncate soak.found');
    for (const stream of streams) {
      for await (const page of readStream(redis, stream)) await note(client, page);
    }
    for (const key of s3.keys(bucket)) {
      const events = readObject(key, s3.bytes(bucket, key));
      for (let at = 0; at < events.length; at += foundAtATime) {
        await note(client, events.slice(at, at + foundAtATime));
      }
    }
    const { rows } = await client.query<HistoryFaults>(`
      with found as (select event_id, count(distinct entry) as entries, array_agg(distinct digest) as digests
        from soak.found group by event_id)
      select
        (count(*) filter (where f.event_id is null))::int as missing,
        (count(*) filter (where f.event_id = c.event_id and f.digests <> array[c.digest]))::int as changed,
        (count(*) filter (where f.entries > 1))::int as twice,
        (count(*) filter (where c.event_id is null))::int as "never committed"
      from soak.committed c full join found f using (event_id)`);
    const [row] = rows;
    if (row === undefined) throw new Error('The database answered without a row.');
    return row;
  });
}

async function* readStream(redis: Redis, stream: string): AsyncGenerator<Found[]> {
  let from = '-';
  for (;;) {
    const entries = await redis.xrange(stream, from, '+', 'COUNT', foundAtATime);
    const last = entries.at(-1);
    if (last === undefined) return;
    yield entries.map(([id, values]) => {
      const value = (name: string) => values[values.indexOf(name) + 1] ?? '';
      return { eventId: value('event_id'), entry: `${stream} ${id}`, payload: value('payload') };
    });
    from = `(${last[0]}`;
  }
}

/** The events of an object of the archive: a CloudEvent per line, whose data is the payload as it was, and comes last. */
function readObject(key: string, bytes: Buffer | undefined): Found[] {
  const stream = decodeURIComponent(/stream=([^/]+)/.exec(key)?.[1] ?? '');
  if (bytes === undefined || !key.endsWith('.ndjson.gz')) return [];
  const lines = gunzipSync(bytes).toString('utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const { id, entryid } = JSON.parse(line) as { readonly id: string; readonly entryid: string };
    const payload = line.slice(line.indexOf(',"data":') + ',"data":'.length, -1);
    return { eventId: id, entry: `${stream} ${entryid}`, payload };
  });
}

async function note(client: pg.Client, found: readonly Found[]): Promise<void> {
  await client.query(
    `insert into soak.found select event_id, entry, md5(payload)
     from unnest($1::uuid[], $2::text[], $3::text[]) as f(event_id, entry, payload)`,
    [
      found.map(({ eventId }) => eventId),
      found.map(({ entry }) => entry),
      found.map(({ payload }) => payload),
    ],
  );
}
