import { eventually } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { audit, type Bench, createBench, sound } from './testing.ts';

const aggregates = 100;
const parked = 2 * aggregates;

let bench: Bench;

/** Two events of each aggregate are parked, one after all others of the first, and a retry of all is asked for. */
beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
  const publisher = bench.start({ maxEntryBytes: 2_000 });
  await sql`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    select 'user', 'agg-' || n % ${aggregates}::int, 'test.happened', 'acme', 'alice', to_json(repeat('x', 3000))
    from generate_series(1, ${parked}::int) n`.execute(bench.db);
  await eventually(
    async () => (await bench.db.selectFrom('outbox_parked').selectAll().execute()).length === parked,
  );
  await publisher.stop();
  await sql`update outbox_parked set retry_requested_at = now()`.execute(bench.db);
});

afterEach(() => {
  vi.restoreAllMocks();
  return bench.close();
});

/** A page of the retry is a small part of it. */
const start = () => bench.start({ maxEntryBytes: 10_000, pageSize: 5 });

const published = () =>
  eventually(async () => {
    const found = await Promise.all([audit(bench), audit(bench, 'order')]);
    expect(found).toMatchObject([sound, sound]);
    return true;
  });

const writtenAt = ({ id }: { readonly id: string }) => Number(id.split('-')[0]);

test('while many parked events are tried again, others go on, and those of the same aggregates wait', async () => {
  await bench.insert(['agg-1', 'agg-50', 'other']);
  await bench.insert(['o-1'], 'order');
  start();
  await published();

  const [live] = await bench.entries('events:order');
  const before = (await bench.entries('events:user')).filter(
    (entry) => live && writtenAt(entry) < writtenAt(live),
  );
  expect(before.length).toBeLessThan(parked / 2);
});

test('what a retry reads of the parked events grows with their number, not with its square', async () => {
  const asked = vi.spyOn(bench.database.pool, 'query');
  start();
  await published();

  const results: { readonly value?: unknown }[] = asked.mock.settledResults;
  const rows = asked.mock.calls.map(([query], call) => {
    const { value } = results[call] ?? {};
    return JSON.stringify(query).includes('outbox_parked') && hasRows(value) ? value.rows.length : 0;
  });
  expect(rows.reduce((sum, count) => sum + count, 0)).toBeLessThan(4 * parked);
});

function hasRows(value: unknown): value is { readonly rows: readonly unknown[] } {
  return typeof value === 'object' && value !== null && 'rows' in value && Array.isArray(value.rows);
}
