import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { isClean, readLedger, renderDeadLetters, renderLedger } from '../demo/ledger.ts';
import { createTestDatabase, type TestDatabase } from '../packages/database/src/testing.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../packages/testkit/src/index.ts';

const root = join(import.meta.dirname, '..');

let database: TestDatabase;
let folder: TemporaryFolder;
let mailFile: string;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  for (const schema of ['services/user-directory/schema.sql', 'demo/schema.sql']) {
    await database.pool.query(await readFile(join(root, schema), 'utf8'));
  }
  folder = createTemporaryFolder('ledger');
  mailFile = join(folder.path, 'mails.jsonl');
});

afterEach(async () => {
  await database.close();
  await folder.remove();
});

interface Event {
  readonly eventId: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly type: string;
}

const event = (aggregateType: string, aggregateId: string, type: string): Event => ({
  eventId: randomUUID(),
  aggregateType,
  aggregateId,
  type,
});

/** Notes events as the producer does, in the order in which they were committed. */
async function append(events: readonly Event[]): Promise<void> {
  for (const { eventId, aggregateType, aggregateId, type } of events) {
    await database.pool.query(
      `insert into demo.appended (event_id, aggregate_type, aggregate_id, event_type, version)
       select $1, $2, $3, $4, count(*) + 1 from demo.appended where aggregate_type = $2 and aggregate_id = $3`,
      [eventId, aggregateType, aggregateId, type],
    );
  }
}

/** Leaves the effects of events behind as the handlers do, in the order given. */
async function handle(events: readonly Event[]): Promise<void> {
  for (const { eventId, aggregateType, aggregateId, type } of events) {
    if (aggregateType === 'user') {
      await database.pool.query(
        `with changed as (
           insert into user_directory (user_id, tenant_id, version) values ($2, 'acme', 1)
           on conflict (user_id) do update set version = user_directory.version + 1 returning version)
         insert into user_directory_history (user_id, version, event_id, event_type, occurred_at)
         select $2, version, $1, $3, now() from changed`,
        [eventId, aggregateId, type],
      );
    } else {
      await database.pool.query(
        `insert into demo.project_activity (project_id, version, event_id, event_type)
         select $2, count(*) + 1, $1, $3 from demo.project_activity where project_id = $2`,
        [eventId, aggregateId, type],
      );
    }
  }
}

async function mail(...mails: readonly { to: string; idempotencyKey: string }[]): Promise<void> {
  await writeFile(mailFile, mails.map((one) => `${JSON.stringify(one)}\n`).join(''));
}

/** Notes that the handler of an event never takes it. */
async function spoil({ eventId }: Event): Promise<void> {
  await database.pool.query(`update demo.appended set trouble = 'always' where event_id = $1`, [eventId]);
}

/** Leaves a dead letter behind, as a mover does. */
async function bury(group: string, { eventId, aggregateType, aggregateId, type }: Event): Promise<void> {
  await database.pool.query(
    `insert into dead_letters (consumer_group, event_id, occurred_at, kind, reason, error, stack, fingerprint, attempts,
       history, deliveries, consumer, first_delivered_at, stream, stream_id, fields, source, event_type, aggregate_type,
       aggregate_id, tenant_id, trace_id)
     values ($1, $2, now(), 'attempts', 'attempts used up', 'Error: refused', '', '', 3,
       '[]', 1, '', now(), 'events', '1-1', '{}', 'test', $3, $4, $5, 'acme', '')`,
    [group, eventId, type, aggregateType, aggregateId],
  );
}

const signUp = event('user', 'ann', 'user.created');
const renamed = event('user', 'ann', 'user.renamed');
const renamedAgain = event('user', 'ann', 'user.renamed');
const set = event('project', 'apollo', 'project.created');
const changed = event('project', 'apollo', 'project.updated');
const all = [signUp, renamed, renamedAgain, set, changed];
const welcome = { to: 'ann@example.com', idempotencyKey: 'welcome:1' };

async function ledger() {
  const ledgers = await readLedger({ url: database.url, mailFile });
  const [mails, directory, activity] = ledgers;
  if (!mails || !directory || !activity) throw new Error('a group is missing in the ledger');
  return { ledgers, mails, directory, activity, text: renderLedger(ledgers) };
}

test('is clean when every event had its effect in every group, once and in order', async () => {
  await append(all);
  await handle(all);
  await mail(welcome);

  const { ledgers } = await ledger();

  expect(isClean(ledgers)).toBe(true);
  expect(ledgers.map(({ group, appended, handled }) => [group, appended, handled])).toEqual([
    ['welcome-email', 1, 1],
    ['user-directory', 3, 3],
    ['project-activity', 2, 2],
  ]);
});

test('finds an event that a group lost, and names it', async () => {
  await append(all);
  await handle(all.filter((one) => one !== changed));
  await mail(welcome);

  const { ledgers, activity, text } = await ledger();

  expect(activity).toMatchObject({ lost: [changed.eventId], twice: [], outOfOrder: [], handled: 1 });
  expect(text).toContain(changed.eventId);
  expect(isClean(ledgers)).toBe(false);
});

test('finds an event whose effect is there twice, and names it', async () => {
  await append(all);
  await handle([...all, renamed]);
  await mail(welcome);

  const { ledgers, directory, text } = await ledger();

  expect(directory).toMatchObject({ lost: [], twice: [renamed.eventId], outOfOrder: [], handled: 3 });
  expect(text).toContain(renamed.eventId);
  expect(isClean(ledgers)).toBe(false);
});

test('finds an event that was overtaken by a later one, and names it', async () => {
  await append(all);
  await handle([signUp, renamedAgain, renamed, set, changed]);
  await mail(welcome);

  const { ledgers, directory, text } = await ledger();

  expect(directory).toMatchObject({ lost: [], twice: [], outOfOrder: [renamed.eventId] });
  expect(text).toContain(renamed.eventId);
  expect(isClean(ledgers)).toBe(false);
});

test('finds the effect of an event that was never committed', async () => {
  const rolledBack = event('user', 'ann', 'user.renamed');
  await append(all);
  await handle([...all, rolledBack]);
  await mail(welcome);

  const { ledgers, directory } = await ledger();

  expect(directory).toMatchObject({ lost: [], twice: [], neverAppended: [rolledBack.eventId] });
  expect(isClean(ledgers)).toBe(false);
});

test('finds a welcome that was never sent, and one that was sent under two keys', async () => {
  await append(all);
  await handle(all);
  await mail();
  const unsent = await ledger();
  await mail(welcome, { ...welcome, idempotencyKey: 'welcome:2' });
  const sentTwice = await ledger();

  expect(unsent.mails).toMatchObject({ lost: [signUp.eventId] });
  expect(isClean(unsent.ledgers)).toBe(false);
  expect(sentTwice.mails).toMatchObject({ twice: [signUp.eventId] });
  expect(isClean(sentTwice.ledgers)).toBe(false);
});

test('a mail that was sent again under its key is one mail', async () => {
  await append(all);
  await handle(all);
  await mail(welcome, welcome);

  expect(isClean((await ledger()).ledgers)).toBe(true);
});

test('what is dead because its handler never takes it is accounted for, and listed with its reason', async () => {
  const next = event('project', 'apollo', 'project.updated');
  await append([...all, next]);
  await spoil(changed);
  await handle([...all.filter((one) => one !== changed), next]);
  await mail(welcome);
  await bury('project-activity', changed);

  const { ledgers, activity } = await ledger();

  expect(isClean(ledgers)).toBe(true);
  expect(activity).toMatchObject({ appended: 3, handled: 2, lost: [], outOfOrder: [] });
  expect(activity.dead).toHaveLength(1);
  expect(renderDeadLetters(ledgers)).toBe(
    `Dead letters of project-activity, with their reasons:\n  ${changed.eventId}  attempts used up: Error: refused`,
  );
});

test('finds what is dead although its handler takes it, and what had its effect and is dead all the same', async () => {
  await append(all);
  await handle(all.filter((one) => one !== renamed));
  await mail(welcome);
  await bury('user-directory', renamed);
  const taken = await ledger();
  await spoil(changed);
  await bury('project-activity', changed);
  const both = await ledger();

  expect(taken.directory).toMatchObject({ wronglyDead: [renamed.eventId], lost: [] });
  expect(taken.text).toContain(renamed.eventId);
  expect(isClean(taken.ledgers)).toBe(false);
  expect(both.activity).toMatchObject({ wronglyDead: [changed.eventId], handled: 2 });
});
