import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { loadGroup } from '../packages/database/src/index.ts';
import type { LetterRecord } from '../packages/inbox/src/index.ts';
import { createTemporaryFolder, eventually, type TemporaryFolder } from '../packages/testkit/src/index.ts';
import { lettersTo, writeLetterFile } from './dead-letters/letters.ts';
import { reportIn } from './dead-letters/report.ts';
import { createStage, type Group, type Stage } from './dead-letters/stage.ts';

let stage: Stage;
let folder: TemporaryFolder;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
  folder = createTemporaryFolder('redrive');
});

afterEach(async () => {
  await stage.close();
  await folder.remove();
});

/** Starts a runner, and waits until its group is registered, which comes after the start: nothing is imported before. */
async function startRunner(group: Group) {
  const runner = await stage.startRunner(group);
  await eventually(async () => (await loadGroup(stage.database.db, group)) !== undefined);
  return runner;
}

/** Starts a runner and a mover, and brings letters to its group. */
async function startWith(group: Group, letters: readonly LetterRecord[]): Promise<void> {
  const file = join(folder.path, 'letters.ndjson');
  await Promise.all([startRunner(group), stage.start('dlq-mover'), writeLetterFile(file, letters)]);
  expect(await stage.bus('dlq', 'import', file)).toMatchObject({ code: 0 });
}

const redrive = async (...args: string[]) => {
  const { code, output } = await stage.bus('dlq', 'redrive', ...args, '--json');
  return { code, report: reportIn(output) };
};

interface Effect {
  readonly event_id: string;
  readonly aggregate_id: string;
}

/** What was handled, in the order in which it was. */
async function effects(): Promise<Effect[]> {
  const { rows } = await stage.database.pool.query<Effect>(
    'select event_id, aggregate_id from effects order by number',
  );
  return rows;
}

test('each batch ends before the next begins, the first failure stops it, and what failed is the same letter again', async () => {
  const letters = lettersTo(30, (position) => ({
    payload: position === 3 ? '{"name":"poison"}' : '{"name":"Ann"}',
  }));
  await startWith('unordered', letters);
  const third = letters[2]?.eventId ?? '';

  const stopped = await redrive('--all', '--batches', '1,4,50', '--stop-on-failure');
  const [again] = JSON.parse((await stage.bus('dlq', 'show', third)).output) as [LetterRecord];
  const badPayload = join(folder.path, 'bad.json');
  await writeFile(badPayload, '{"name":""}');
  const refused = await stage.bus('dlq', 'redrive', third, '--payload', badPayload);
  const untouched = await stage.startBus(['dlq', 'redrive', third, '--edit'], {
    EDITOR: 'true',
    PATH: process.env.PATH ?? '',
  });
  const { code: untouchedCode } = await untouched.exited;
  const samePayload = join(folder.path, 'same.json');
  await writeFile(samePayload, '{ "name": "poison" }');
  const asItIs = await stage.bus('dlq', 'redrive', third, '--payload', samePayload);
  // An editor that mends the name.
  const edited = await stage.startBus(
    ['dlq', 'redrive', third, '--edit', '--operator', 'ann', '--reason', 'typing error', '--json'],
    { EDITOR: 'sed -i s/poison/Bea/', PATH: process.env.PATH ?? '' },
  );
  const { code } = await edited.exited;
  const [mended] = JSON.parse((await stage.bus('dlq', 'show', third)).output) as [unknown];
  const rest = await redrive('--all');
  const history = JSON.parse((await stage.bus('history', '--event', third, '--json')).output) as unknown;

  expect(stopped).toMatchObject({
    code: 1,
    report: { end: 'stopped', letters: 5, handled: 4, deadAgain: 1, waiting: 0, left: 25 },
  });
  expect(again).toMatchObject({
    state: 'dead',
    redrives: 1,
    attempts: 6,
    history: { length: 4 },
    deadAt: expect.any(String) as string,
  });
  expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('payload.name') as unknown });
  expect([untouchedCode, untouched.output()]).toEqual([1, expect.stringContaining('is as it was')]);
  expect(asItIs).toMatchObject({
    code: 1,
    output: expect.stringMatching(/as it is.*1 dead again/s) as unknown,
  });
  expect(code).toBe(0);
  expect(mended).toMatchObject({
    state: 'done',
    redrives: 3,
    edits: [
      {
        operator: 'ann',
        reason: 'typing error',
        payload: { before: '{"name":"poison"}', after: '{"name":"Bea"}' },
      },
    ],
  });
  expect(rest).toMatchObject({ code: 0, report: { end: 'complete', letters: 25, handled: 25, left: 0 } });
  expect((await effects()).map((effect) => effect.event_id).sort()).toEqual(
    letters.map(({ eventId }) => eventId).sort(),
  );
  expect(history).toMatchObject([
    {
      action: 'edit',
      operator: 'ann',
      events: 1,
      firstEvents: [{ eventId: third, details: { payload: { after: '{"name":"Bea"}' } } }],
    },
    { action: 'redrive', events: 1 },
    { action: 'redrive', events: 5 },
    { action: 'import', events: 30 },
  ]);
});

test('a redrive keeps to its rate and to the order of each aggregate, and takes no letter that died after it began', async () => {
  const letters = lettersTo(60, () => ({ group: 'ordered' }));
  await startWith('ordered', letters);
  const late = join(folder.path, 'late.ndjson');
  await writeLetterFile(
    late,
    lettersTo(3, () => ({ group: 'ordered', aggregateId: 'late' })),
  );

  const beganAt = performance.now();
  const running = await stage.startBus(['dlq', 'redrive', '--all', '--rate', '20', '--json']);
  await eventually(async () => (await effects()).length > 0);
  await stage.bus('dlq', 'import', late);
  const { code } = await running.exited;
  const tookMs = performance.now() - beganAt;
  const handled = await effects();

  expect(code).toBe(0);
  // The last page is not waited for.
  expect(tookMs).toBeGreaterThan(((60 - 4) / 20) * 1_000 - 100);
  expect(handled).toHaveLength(60);
  const byAggregate = (of: readonly { readonly id: string; readonly event: string }[]) =>
    Object.fromEntries(
      [...Map.groupBy(of, ({ id }) => id)].map(([id, own]) => [id, own.map(({ event }) => event)]),
    );
  expect(byAggregate(handled.map((effect) => ({ id: effect.aggregate_id, event: effect.event_id })))).toEqual(
    byAggregate(letters.map(({ aggregateId, eventId }) => ({ id: aggregateId, event: eventId }))),
  );
});

test('a redrive that is killed, run again, and loses Redis twice handles each letter once', async () => {
  const letters = lettersTo(300, () => ({ group: 'ordered' }));
  await startWith('ordered', letters);
  const args = ['dlq', 'redrive', '--all', '--rate', '100', '--batches', '60', '--json'];

  const killed = await stage.startBus(args);
  await eventually(async () => (await effects()).length > 70);
  killed.kill('SIGKILL');
  await killed.exited;
  await stage.redis.client().flushall();
  const again = await stage.startBus(args);
  await eventually(async () => (await effects()).length > 160);
  await stage.redis.client().flushall();
  await stage.redis.restart();
  const { code } = await again.exited;
  const handled = await effects();
  const { rows } = await stage.database.pool.query(
    'select d.state, i.outcome, d.redrives, count(*)::int as letters from dead_letters d join inbox_events i using (consumer_group, event_id, replay_id) group by 1, 2, 3',
  );

  expect({ code, output: again.output() }).toMatchObject({ code: 0 });
  expect(handled.map((effect) => effect.event_id).sort()).toEqual(
    letters.map(({ eventId }) => eventId).sort(),
  );
  expect(rows).toEqual([{ state: 'done', outcome: 'done', redrives: 1, letters: 300 }]);
}, 90_000);

test('without a runner what was handed over waits, which a redrive says, and the next one finds on its way', async () => {
  await startWith('unordered', lettersTo(4));
  const runner = await startRunner('ordered');
  await runner.stop();
  const file = join(folder.path, 'ordered.ndjson');
  await writeLetterFile(
    file,
    lettersTo(5, () => ({ group: 'ordered' })),
  );
  await stage.bus('dlq', 'import', file);

  const impatient = await redrive('--group', 'ordered', '--limit', '2', '--timeout', '300ms');
  const handedOver = await stage.bus('dlq', 'redrive', '--group', 'ordered', '--limit', '1', '--no-wait');
  const following = await stage.startBus(['dlq', 'redrive', '--group', 'ordered', '--json']);
  await eventually(async () => {
    const { rows } = await stage.database.pool.query(
      `select from operator_action_events where details->>'underWay' = 'true'`,
    );
    return rows.length >= 3;
  });
  await stage.startRunner('ordered');
  const { code } = await following.exited;

  expect(impatient).toMatchObject({ code: 1, report: { end: 'impatient', letters: 2, waiting: 2, left: 3 } });
  expect(handedOver).toMatchObject({
    code: 0,
    output: expect.stringContaining('1 dead letter handed') as unknown,
  });
  expect(code).toBe(0);
  expect(reportIn(following.output())).toMatchObject({ letters: 5, handled: 5, waiting: 0 });
  expect(await effects()).toHaveLength(5);
});
