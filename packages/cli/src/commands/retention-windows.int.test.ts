import { registerInboxWindows } from '@event-bus/database';
import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createWorkbench, type Workbench } from '../testing.ts';

let bench: Workbench;

beforeEach(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
});

afterEach(() => bench.close());

test('the windows are shown with each figure, and what holds back the oldest partition', async () => {
  const dayMs = 86_400_000;
  await bench.publisher();
  await registerInboxWindows(bench.database.db, [
    { group: 'mail', keepMs: 30 * dayMs, longestWaitMs: 14 * dayMs },
  ]);
  const [eventId] = await bench.insert(['ann']);
  await eventually(async () => {
    const { rows } = await bench.database.pool.query('select from outbox_batches');
    return rows.length === 1;
  });
  const windows = await bench.json(['retention', 'windows']);
  const { output } = await bench.bus('retention', 'windows');

  expect(windows).toMatchObject({
    outboxes: [{ source: 'billing', keepMs: 7 * dayMs }],
    inboxes: [{ group: 'mail', keepMs: 30 * dayMs, longestWaitMs: 14 * dayMs }],
    outbox: {
      partitions: 4,
      heldBackBy: `event ${eventId} at position 1 in events:user is neither archived nor settled by every group: no group is registered that reads it, and it is not archived`,
    },
    inbox: { partitions: 4, heldBackBy: expect.stringContaining('outbox billing') as string },
  });
  expect(output).toMatch(/^outbox billing\s+7d\s+-$/m);
  expect(output).toMatch(/^inbox of mail\s+30d\s+14d$/m);
  expect(output).toMatch(
    /^outbox\s+4 partitions, the oldest is outbox_events_p\d+, .*\n\s+would be held back now: event /m,
  );
});
