import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, inject, onTestFinished, test } from 'vitest';
import { compareHistory, noteCommitted } from '../bench/soak/history.ts';
import { registerTopics } from '../packages/database/src/index.ts';
import { createTestDatabase } from '../packages/database/src/testing.ts';
import { eventually, spawnService, startRedis, startS3 } from '../packages/testkit/src/index.ts';

const [stream, bucket] = ['events:user', 'soak'];
const dayMs = 86_400_000;
const root = join(import.meta.dirname, '..');

interface Committed {
  readonly event_id: string;
  readonly position: string;
  readonly payload: string;
}

test('what archive and streams lack, have twice, or have otherwise than it was committed, is found', async () => {
  const database = await createTestDatabase(inject('postgresUrl'));
  onTestFinished(() => database.close());
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const s3 = await startS3();
  onTestFinished(() => s3.stop());
  s3.createBucket(bucket);
  const client = redis.client();
  await registerTopics(database.db, [{ name: 'user', partitions: 1 }]);
  await noteCommitted(database.url);
  const { rows } = await database.pool.query<Committed>(`
    insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    select 'user', 'u', 'user.created', 'acme', 'ann', json_build_object('n', n, 'text', 'ü') from generate_series(1, 6) n
    returning event_id, position, payload::text`);
  const add = (id: string, { event_id: eventId, position, payload }: Committed) =>
    client.xadd(stream, id, 'event_id', eventId, 'source', 's', 'position', position, 'payload', payload);
  let newest = '';
  // The newest is not archived, whatever hour turns meanwhile, and stays.
  const daysAgo = [9, 8, 7, 6, 5, 0];
  for (const [n, row] of rows.entries())
    newest = (await add(`${Date.now() - (daysAgo[n] ?? 0) * dayMs}-0`, row)) ?? '';
  await client.hset(`{${stream}}:writers`, 's', `${newest} ${rows.at(-1)?.event_id}`);
  const archiver = await spawnService({
    entry: join(root, 'services', 'retention-archiver', 'src', 'main.ts'),
    cwd: root,
    env: {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      ARCHIVE_URL: `s3://${bucket}`,
      RETENTION: '*.hot=4d',
      ARCHIVE_EVERY: '200ms',
      ARCHIVE_AFTER: '1h',
      ...s3.env,
    },
  });
  await eventually(async () => {
    expect(await client.xlen(stream), archiver.output()).toBe(1);
    return true;
  });
  await archiver.stop();
  const compare = () => compareHistory({ url: database.url, redis: client, s3, bucket });
  expect(await compare()).toEqual({ missing: 0, changed: 0, twice: 0, 'never committed': 0 });

  const [first] = rows;
  const [key = ''] = s3.keys(bucket).filter((name) => name.endsWith('.ndjson.gz'));
  s3.damage(bucket, key, (bytes) => gzipSync(gunzipSync(bytes).toString().replace('ü', 'u')));
  await client.xdel(stream, newest);
  if (first !== undefined) await add('*', first);
  await add('*', { event_id: randomUUID(), position: '7', payload: '{}' });

  expect(await compare()).toEqual({ missing: 1, changed: 1, twice: 1, 'never committed': 1 });
});
