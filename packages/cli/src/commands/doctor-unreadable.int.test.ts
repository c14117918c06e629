import {
  registerGroup,
  registerInboxWindows,
  registerOutboxWindow,
  registerTopics,
} from '@event-bus/database';
import type { Finding } from '@event-bus/operations';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createWorkbench, type Workbench } from '../testing.ts';

const dayMs = 86_400_000;
const stream = 'events:user';

let bench: Workbench;
let redis: ReturnType<Workbench['redis']['client']>;

/** An outbox that has published, a group that no runner works for, and old partitions of both tables. */
beforeAll(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
  redis = bench.redis.client();
  const { db, pool } = bench.database;
  await registerTopics(db, [
    { name: 'user', partitions: 1 },
    { name: 'project', partitions: 1 },
  ]);
  const fixed = { ordering: 'none', startFrom: 'beginning', startPositions: new Map(), policy: {} } as const;
  await registerGroup(db, { name: 'mail', topics: ['user'], ...fixed });
  await pool.query(`insert into inbox_groups (consumer_group, on_dead_letter, max_deliveries, claim_idle_ms)
    values ('mail', 'continue', 5, 30000)`);
  await registerOutboxWindow(db, { source: 'billing', keepMs: 7 * dayMs });
  await registerInboxWindows(db, [{ group: 'mail', keepMs: 30 * dayMs, longestWaitMs: 14 * dayMs }]);
  await redis.xgroup('CREATE', stream, 'mail', '0', 'MKSTREAM');
  const [eventId] = await bench.insert(['u']);
  for (const table of ['outbox_events', 'inbox_events'])
    await pool.query(`create table ${table}_old partition of ${table}
      for values from ('2026-01-01T00:00:00Z') to ('2026-01-02T00:00:00Z')`);
  await pool.query(`do $$ begin
    perform set_config('session_replication_role', 'replica', true);
    update outbox_events set inserted_at = '2026-01-01T12:00:00Z'; end $$`);
  await pool.query(`update outbox_cursor
    set source = 'billing', epoch = 1, position = (select max(position) from outbox_events)`);
  await pool.query(
    `insert into outbox_batches (stream, number, positions, events, last_id, last_event_id)
     select $1, 1, int8multirange(int8range(position, position, '[]')), 1, '1-1', event_id
     from outbox_events where event_id = $2`,
    [stream, eventId],
  );
});

afterAll(async () => {
  redis.disconnect();
  await bench.close();
});

test.each([
  [stream, 'stream'],
  ['{events:user}:failures:mail', 'hash'],
])(
  'something else under %s is named, with what cannot be told for it, and hides nothing else',
  async (key, type) => {
    const kept = await redis.exists(key);
    if (kept === 1) await redis.rename(key, '{events:user}:aside');
    await redis.set(key, 'x');
    const { status, output } = await bench.bus('doctor', '--json');
    await redis.del(key);
    if (kept === 1) await redis.rename('{events:user}:aside', key);
    const findings = JSON.parse(output) as Finding[];
    const saidOf = (check: string) =>
      findings.filter((finding) => finding.check === check).map(({ state, found }) => `${state} ${found}`);

    expect(status).toBe(1);
    expect(output).not.toContain('report it');
    expect(saidOf('stream events:user')).toEqual([
      `problem it cannot be read: ${key} is a string and should be a ${type}`,
    ]);
    expect(saidOf('group mail')).toEqual([expect.stringMatching(/^problem no runner of it/)]);
    expect(saidOf('retention')).toEqual([
      key === stream
        ? 'ok the streams that can be read are archived and trimmed as they should be'
        : 'ok streams are archived and trimmed as they should be',
    ]);
    // Pruning does not look at what is known of failures.
    const untold = (what: string) => (key === stream ? `.*${what} cannot be read: WRONGTYPE` : '');
    expect(saidOf('pruning')).toEqual([
      expect.stringMatching(`^warning outbox_events_old of the outbox${untold('the stream')}`),
      expect.stringMatching(`^warning inbox_events_old of the inbox${untold('events:user, .*,')}`),
    ]);
  },
);
