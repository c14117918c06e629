import { openArchiveStore, writeEntries } from '@event-bus/archive';
import { createTemporaryFolder, eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createWorkbench, runBus, type Workbench } from '../testing.ts';

let bench: Workbench;

beforeEach(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
});

afterEach(() => bench.close());

interface Life {
  readonly outbox: { readonly status: string } | null;
  readonly batch: { readonly number: number } | null;
  readonly entry: { readonly stream: string; readonly id: string } | null;
  readonly archive: { readonly key: string; readonly entryId: string }[] | null;
  readonly groups: { readonly group: string; readonly state: string; readonly attempts: number | null }[];
}

const show = async (eventId: string) => (await bench.json(['show', eventId])) as Life;
const statesOf = ({ groups }: Life) => Object.fromEntries(groups.map(({ group, state }) => [group, state]));

/** Waits until the publisher has recorded so many batches: their entries are in the stream before that. */
async function untilRecorded(batches: number): Promise<void> {
  await eventually(async () => {
    const { rows } = await bench.database.pool.query('select from outbox_batches');
    return rows.length === batches;
  });
}

async function register(...groups: readonly string[]): Promise<void> {
  for (const group of groups) {
    await bench.database.pool.query(
      `insert into consumer_groups (name, topics, ordering, start_from) values ($1, '{user}', 'none', 'beginning')`,
      [group],
    );
  }
}

test('shows an event that has not left the outbox, and that every group waits for it', async () => {
  await register('mail');
  const [eventId = ''] = await bench.insert(['ann']);

  const life = await show(eventId);

  expect(life).toMatchObject({ outbox: { status: 'pending' }, batch: null, entry: null });
  expect(statesOf(life)).toEqual({ mail: 'waiting' });
});

test('finds the entry of an event among those of its batch, and what each group does with it', async () => {
  await bench.publisher();
  await register('done', 'late', 'busy', 'other', 'gone');
  const events = await bench.insert(['ann', 'bob', 'cid']);
  await untilRecorded(1);
  const eventId = events[1] ?? '';
  const reader = bench.transport.reader();
  const stream = 'events:user';
  for (const group of ['late', 'busy', 'other']) await reader.ensureGroup({ stream, group }, '0');
  const read = (group: string) =>
    reader.read({ group, consumer: 'runner-1', from: [{ stream }], count: 10, blockMs: 5_000 });
  const [, entry] = await read('busy');
  const id = entry?.id ?? '';
  const passed = await read('other');
  await reader.acknowledge(
    { stream, group: 'other' },
    passed.map((delivery) => ({ id: delivery.id, eventId: delivery.fields.event_id ?? '' })),
  );
  await reader.recordFailures(
    { stream, group: 'busy' },
    'runner-1',
    new Map([
      [
        id,
        {
          eventId,
          attempts: 2,
          final: false,
          isOwn: false,
          kind: 'error',
          reason: 'error',
          error: 'Error: no such user',
          stack: '',
          history: [{ at: 1_000, consumer: 'runner-1', error: 'Error: no such user' }],
          firstDeliveredAt: 1_000,
          failedAt: 2_000,
          dueAt: 3_000,
        },
      ],
    ]),
  );
  await bench.database.pool.query(
    `insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt)
     select 'done', event_id, occurred_at, 'done', $2, $3, 3 from outbox_events where event_id = $1`,
    [eventId, stream, id],
  );

  const life = await show(eventId);
  const { output } = await bench.bus('show', eventId);

  expect(life).toMatchObject({
    outbox: { status: 'published' },
    batch: { number: 1 },
    entry: { stream, id },
  });
  expect(statesOf(life)).toEqual({
    done: 'done',
    late: 'waiting',
    busy: 'pending',
    other: 'passed',
    gone: 'waiting',
  });
  expect(life.groups.find(({ group }) => group === 'busy')).toMatchObject({
    attempts: 2,
    consumer: 'runner-1',
    deliveries: 1,
    reason: 'Error: no such user',
    dueAt: '1970-01-01T00:00:03.000Z',
  });
  expect(output).toMatch(new RegExp(`^stream +${stream} ${id}$`, 'm'));
  expect(output).toMatch(/^busy +pending +2 .* held by runner-1, handed out 1 time; .*no such user$/m);
  // A name is all that there is of Ann in it.
  expect(output).not.toContain('Ann');
});

test('finds an event in the archive after it was trimmed, and links to its trace', async () => {
  const folder = createTemporaryFolder('archive');
  try {
    await bench.publisher();
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const headers = JSON.stringify({ traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    const { rows } = await bench.database.pool.query<{ event_id: string }>(
      `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, headers)
       values ('user', 'ann', 'user.renamed', 'acme', 'alice', '{"name":"Ann"}', $1) returning event_id`,
      [headers],
    );
    const eventId = rows[0]?.event_id ?? '';
    await untilRecorded(1);
    const entries = await bench.transport.observer().range('events:user', '-', '+', 10);
    const store = await openArchiveStore({ ARCHIVE_URL: { kind: 'file', path: folder.path } });
    const keys: string[] = [];
    for await (const { key } of writeEntries(store, { stream: 'events:user', after: '0-0', entries }))
      keys.push(key);
    await bench.redis.client().xtrim('events:user', 'MAXLEN', 0);

    const { output, status } = await runBus(['show', eventId], {
      ...bench.env,
      ARCHIVE_URL: `file://${folder.path}`,
      JAEGER_URL: 'http://jaeger:16686/',
    });

    expect(status).toBe(0);
    expect(output).toContain(`${keys[0]} (${entries[0]?.id})`);
    expect(output).toContain('no longer stands');
    expect(output).toContain(`http://jaeger:16686/trace/${traceId}`);
  } finally {
    await folder.remove();
  }
});

test('still finds the entry of an event whose partition was dropped, by what an inbox knows of it', async () => {
  await register('mail');
  const eventId = '0f8fad5b-d9cb-469f-a165-70867728950e';
  const redis = bench.redis.client();
  const id = await redis.xadd('events:user', '*', 'event_id', eventId, 'aggregate_type', 'user');
  // It was injected again much later, under another ID.
  await bench.database.pool.query(
    `insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt)
     values ('mail', $1, now(), 'done', 'events:user', $2, 1)`,
    [eventId, `${Date.now() + 60_000}-0`],
  );

  const life = await show(eventId);

  expect(life).toMatchObject({ outbox: null, batch: null, entry: { stream: 'events:user', id } });
  expect(statesOf(life)).toEqual({ mail: 'done' });
});

test('says that nothing knows an event', async () => {
  const { status, output } = await bench.bus('show', '0f8fad5b-d9cb-469f-a165-70867728950e');

  expect(status).toBe(1);
  expect(output).toContain('not in this outbox');
});
