import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { registerTopics } from '../packages/database/src/index.ts';
import { type LetterRecord, registerInboxGroup } from '../packages/inbox/src/index.ts';
import { createTemporaryFolder, eventually, type TemporaryFolder } from '../packages/testkit/src/index.ts';
import { letterAt, lettersTo, writeLetterFile } from './dead-letters/letters.ts';
import { reportIn } from './dead-letters/report.ts';
import { createStage, type Stage } from './dead-letters/stage.ts';

let stage: Stage;
let folder: TemporaryFolder;

/** A stage whose database knows a group and a topic, though no runner runs. */
async function createQuietStage(): Promise<Stage> {
  const quiet = await createStage(inject('postgresUrl'));
  await registerTopics(quiet.database.db, [{ name: 'user', partitions: 1 }]);
  for (const group of ['unordered', 'ordered']) {
    await registerInboxGroup(quiet.database.db, {
      group,
      onDeadLetter: 'continue',
      maxDeliveries: 5,
      claimIdleMs: 30_000,
    });
  }
  return quiet;
}

beforeEach(async () => {
  stage = await createQuietStage();
  folder = createTemporaryFolder('letter-files');
});

afterEach(async () => {
  await stage.close();
  await folder.remove();
});

const file = (name: string) => join(folder.path, name);

async function importAll(letters: readonly unknown[]): Promise<void> {
  await writeLetterFile(file('given.ndjson'), letters);
  const { code, output } = await stage.bus('dlq', 'import', file('given.ndjson'));
  expect(output).toMatch(new RegExp(`^${letters.length} of ${letters.length} letters? brought back`, 'm'));
  expect(code).toBe(0);
}

async function readLetters(name: string): Promise<LetterRecord[]> {
  const lines = (await readFile(file(name), 'utf8')).split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line) as LetterRecord);
}

/** When a letter was given up is as of its import. */
const lasting = (letters: readonly LetterRecord[]) => letters.map(({ deadAt: _deadAt, ...letter }) => letter);

async function states(of: Stage = stage): Promise<unknown> {
  const { rows } = await of.database.pool.query<{ state: string; outcome: string; letters: number }>(
    `select d.state, i.outcome, count(*)::int as letters from dead_letters d
     join inbox_events i using (consumer_group, event_id, replay_id) group by 1, 2 order by 1`,
  );
  return rows;
}

test('exported letters come back whole in a database that has none of them, and only once', async () => {
  const odd = letterAt(4, { payload: '{"name":"\u2028 \\u0000 \u0000 \u{1F600}"}', aggregateId: 'a b' });
  const letters = [...lettersTo(3), odd, { ...letterAt(5), replayId: 'replay-1' }];
  await importAll(letters);
  const exported = await stage.bus('dlq', 'export', '--all', '--to', file('out.ndjson'));
  const other = await createQuietStage();
  try {
    const first = await other.bus('dlq', 'import', file('out.ndjson'), '--reason', 'lost database', '--json');
    const second = await other.bus('dlq', 'import', file('out.ndjson'), '--json');
    const back = await other.bus('dlq', 'export', '--all', '--to', file('back.ndjson'));

    expect(exported.output).toContain('5 dead letters written');
    expect(lasting(await readLetters('out.ndjson'))).toEqual(lasting(letters));
    expect(reportIn(first.output)).toEqual({ letters: 5, broughtBack: 5, open: 0, handled: 0 });
    expect(reportIn(second.output)).toEqual({ letters: 5, broughtBack: 0, open: 5, handled: 0 });
    expect(back.code).toBe(0);
    expect(lasting(await readLetters('back.ndjson'))).toEqual(lasting(letters));
    expect(await states(other)).toEqual([{ state: 'dead', outcome: 'dead', letters: 5 }]);
  } finally {
    await other.close();
  }
});

test('a letter whose event was handled since it was exported is not brought back', async () => {
  const letters = lettersTo(2);
  await stage.database.pool.query(
    `insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt)
     values ('unordered', $1, $2, 'done', 'events:user', '1-1', 1)`,
    [letters[0]?.eventId, letters[0]?.occurredAt],
  );
  await writeLetterFile(file('given.ndjson'), [...letters, letters[1]]);

  const report = await stage.bus('dlq', 'import', file('given.ndjson'), '--json');

  expect(reportIn(report.output)).toEqual({ letters: 3, broughtBack: 1, open: 1, handled: 1 });
});

test('a file with a line that does not fit is refused by line and field, and nothing of it is imported', async () => {
  const cases = [
    ['{"group":', 'line: is not JSON'],
    [{ ...letterAt(9), group: 'mail' }, 'group: mail has no inbox in this database'],
    [{ ...letterAt(9), stream: 'events:user:3' }, 'stream: events:user:3 is no stream'],
    [{ ...letterAt(9), state: 'done' }, 'state: must be dead or redriving'],
    [{ ...letterAt(9), tenantId: 'evil' }, 'tenantId: must be what fields.tenant_id is'],
    [{ ...letterAt(9), attempts: -1 }, 'attempts: '],
    [{ ...letterAt(9), colour: 'red' }, 'colour'],
  ] as const;
  const refusals = await Promise.all(
    cases.map(async ([line], index) => {
      await writeLetterFile(file(`bad-${index}.ndjson`), lettersTo(2));
      await appendFile(file(`bad-${index}.ndjson`), typeof line === 'string' ? line : JSON.stringify(line));
      return stage.bus('dlq', 'import', file(`bad-${index}.ndjson`));
    }),
  );

  for (const [index, [, said]] of cases.entries()) {
    expect(refusals[index]?.code).toBe(1);
    expect(refusals[index]?.output).toContain('line 3 is no dead letter');
    expect(refusals[index]?.output).toContain(said);
  }
  expect(await states()).toEqual([]);
});

test('discarding asks, wants a reason and a file, and an import takes it back', async () => {
  await importAll(lettersTo(3));
  const why = ['--reason', 'test tenant'];
  const to = ['--to', file('gone.ndjson')];

  expect(await stage.bus('dlq', 'discard', '--all', ...to)).toMatchObject({ code: 64 });
  expect(await stage.bus('dlq', 'discard', '--all', ...why)).toMatchObject({ code: 64 });
  expect((await stage.bus('dlq', 'discard', '--all', ...why, ...to)).output).toContain('give --yes');
  expect(await states()).toEqual([{ state: 'dead', outcome: 'dead', letters: 3 }]);
  const discarded = await stage.bus('dlq', 'discard', '--all', ...why, ...to, '--yes');
  expect(discarded.output).toMatch(/^3 dead letters discarded\.$/m);
  expect(discarded.code).toBe(0);
  expect(await readLetters('gone.ndjson')).toHaveLength(3);
  expect(await states()).toEqual([{ state: 'discarded', outcome: 'discarded', letters: 3 }]);
  const back = await stage.bus('dlq', 'import', file('gone.ndjson'));
  expect(back.output).toContain('3 of 3 letters brought back');
  expect(await states()).toEqual([{ state: 'dead', outcome: 'dead', letters: 3 }]);
});

test('a discard that is killed behind its file has discarded nothing, and goes on with the same file', async () => {
  await importAll(lettersTo(3));
  const args = ['dlq', 'discard', '--all', '--reason', 'test tenant', '--to', file('gone.ndjson'), '--yes'];
  const blocker = await stage.database.pool.connect();
  await blocker.query('begin');
  await blocker.query('lock table operator_actions in exclusive mode');
  const killed = await stage.startBus(args);
  await eventually(async () => (await readFile(file('gone.ndjson'), 'utf8').catch(() => '')).length > 1_000);
  killed.kill('SIGKILL');
  await killed.exited;
  await blocker.query('rollback');
  blocker.release();
  const after = await states();
  // What a kill may leave of a line.
  await appendFile(file('gone.ndjson'), '{"group":"unordered","eve');

  const again = await stage.bus(...args);

  expect(after).toEqual([{ state: 'dead', outcome: 'dead', letters: 3 }]);
  expect(again).toMatchObject({ code: 0 });
  expect(new Set((await readLetters('gone.ndjson')).map(({ eventId }) => eventId)).size).toBe(3);
  expect(await states()).toEqual([{ state: 'discarded', outcome: 'discarded', letters: 3 }]);
});

test('a file that holds something else than letters is neither discarded to nor exported to', async () => {
  await importAll(lettersTo(1));
  await appendFile(file('notes.txt'), 'do not lose');

  const discard = await stage.bus(
    'dlq',
    'discard',
    '--all',
    '--reason',
    'r',
    '--to',
    file('notes.txt'),
    '--yes',
  );
  const exporting = await stage.bus('dlq', 'export', '--all', '--to', file('notes.txt'));

  expect(discard).toMatchObject({ code: 1, output: expect.stringContaining('something else') as unknown });
  expect(exporting).toMatchObject({
    code: 1,
    output: expect.stringContaining('is there already') as unknown,
  });
  expect(await readFile(file('notes.txt'), 'utf8')).toBe('do not lose');
});

test('letters are selected by each of their properties, and a dry run says which they are', async () => {
  const wanted = {
    eventType: 'user.deleted',
    aggregateId: 'u/2',
    error: 'TypeError: a',
    fingerprint: 'feedfeedfeed',
  };
  // Each other one lacks one of the properties.
  await importAll([
    letterAt(1, wanted),
    letterAt(2, { ...wanted, tenantId: 'globex' }),
    letterAt(3, { ...wanted, aggregateId: 'u/3' }),
    letterAt(4, { ...wanted, eventType: 'user.renamed' }),
    letterAt(5, { ...wanted, error: 'Error: b' }),
    letterAt(6, { ...wanted, group: 'ordered' }),
    letterAt(7, { ...wanted, fingerprint: 'deaddeaddead' }),
  ]);
  const selection = [
    '--group',
    'unordered',
    '--tenant',
    'acme',
    '--aggregate',
    'user/u/2',
    '--error',
    'typeerror',
  ];
  selection.push('--type', 'user.deleted', '--fingerprint', 'feedfeedfeed', '--since', '1h');

  const listed = JSON.parse(
    (await stage.bus('dlq', 'list', ...selection, '--json')).output,
  ) as LetterRecord[];
  const tooEarly = await stage.bus('dlq', 'list', ...selection, '--until', '1h');
  const dryRun = await stage.bus(
    'dlq',
    'redrive',
    '--group',
    'unordered',
    '--limit',
    '3',
    '--batches',
    '1,5',
    '--dry-run',
  );

  expect(listed.map(({ position }) => position)).toEqual(['1']);
  expect(tooEarly.output).toContain('No dead letters');
  expect(dryRun.output).toContain('3 dead letters of 2 aggregates would be redriven');
  expect(dryRun.output).toContain('In batches of 1, 2');
  expect(await states()).toEqual([{ state: 'dead', outcome: 'dead', letters: 7 }]);
});

test('many large letters are imported, exported and handed over in order, in bounded memory', async () => {
  const payload = JSON.stringify({ name: 'A'.repeat(120_000) });
  const letters = lettersTo(500, () => ({ payload }));
  await writeLetterFile(file('many.ndjson'), letters);
  // Less than the letters take when they are read whole.
  const limited = { NODE_OPTIONS: '--max-old-space-size=64' };
  const run = async (...args: string[]) => {
    const command = await stage.startBus(args, limited);
    const { code } = await command.exited;
    return { code, output: command.output() };
  };

  const imported = await run('dlq', 'import', file('many.ndjson'), '--json');
  const exported = await run('dlq', 'export', '--all', '--to', file('out.ndjson'));
  const handedOver = await run('dlq', 'redrive', '--all', '--no-wait', '--json');

  expect(imported).toMatchObject({ code: 0 });
  expect(exported).toMatchObject({ code: 0 });
  expect(handedOver).toMatchObject({ code: 0 });
  const ids = letters.map(({ eventId }) => eventId);
  expect((await readLetters('out.ndjson')).map(({ eventId }) => eventId)).toEqual(ids);
  const injected = await stage.redis.client().xrange('{events:user}:inject:unordered', '-', '+');
  expect(injected.map(([, fields]) => fields[1])).toEqual(ids);
}, 240_000);
