import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { eventually } from '../packages/testkit/src/index.ts';
import { createLife, type Effect, type Life, type Part, type Published } from './whole-life/life.ts';

let life: Life;

beforeEach(async () => {
  life = await createLife(inject('postgresUrl'));
});

afterEach(() => life.close());

const idsOf = (events: readonly Published[]) => events.map(({ eventId }) => eventId).sort();
const handledIds = (effects: readonly Effect[]) => effects.map(({ event_id: id }) => id).sort();
const good = () => life.published.filter(({ isPoison }) => !isPoison);
const poison = () => life.published.filter(({ isPoison }) => isPoison);

const byAggregate = (events: readonly { readonly id: string; readonly aggregate: string }[]) =>
  new Map(
    [...Map.groupBy(events, ({ aggregate }) => aggregate)].map(([aggregate, own]) => [
      aggregate,
      own.map(({ id }) => id),
    ]),
  );
const publishedOrder = (events: readonly Published[]) =>
  byAggregate(events.map(({ eventId, aggregateId }) => ({ id: eventId, aggregate: aggregateId })));
const handledOrder = (effects: readonly Effect[]) =>
  byAggregate(effects.map(({ event_id: id, aggregate_id: aggregate }) => ({ id, aggregate })));

const until = (message: string, check: () => Promise<boolean>) =>
  eventually(check, { timeoutMs: 60_000, intervalMs: 100, message });

const untilHandled = (group: string, count: number, isReplay = false) =>
  until(
    `${group} to handle what it should`,
    async () => (await life.effects(group, isReplay)).length >= count,
  );

const letters = async (group: string) => {
  const { rows } = await life.database.pool.query<{ event_id: string }>(
    `select event_id from dead_letters where consumer_group = $1 and state = 'dead' order by position`,
    [group],
  );
  return rows.map(({ event_id: id }) => id);
};

test('through crashes, trims, forgotten partitions and a lost Redis nothing is lost, and nothing is handled twice', async () => {
  const first: readonly Part[] = ['publisher', 'mover', 'archiver', 'replayer', 'unordered', 'ordered'];
  await Promise.all(first.map((part) => life.start(part)));
  const traffic = life.startTraffic();
  await until('the stream to be trimmed', async () => (await life.trimmed()) > 100);
  for (const part of ['publisher', 'unordered'] as const) await life.crash(part);
  await Promise.all((['ordered', 'mover', 'archiver'] as const).map((part) => life.crash(part)));

  // Outbox and inbox forget what only the archive has; then Redis loses everything.
  await life.growOld();
  await life.redis.client().flushall();
  const atLoss = life.published.length;
  await until('what came after the loss to be trimmed', async () => (await life.trimmed()) > atLoss + 50);
  await traffic.stop();
  const all = life.published.length;
  for (const group of ['unordered', 'ordered']) {
    await untilHandled(group, good().length);
    await until(`the letters of ${group}`, async () => (await letters(group)).length === poison().length);
  }

  // A letter whose event has left outbox and stream, a replay, and a group that is new to all of it.
  await life.database.pool.query('update mood set is_cured = true');
  const [letter = ''] = await letters('unordered');
  const redrive = await life.bus('dlq', 'redrive', letter, '--group', 'unordered', '--operator', 'ann');
  const range = ['--from', '2020-01-01T00:00:00Z', '--no-wait', '--operator', 'ann'];
  const replay = await life.bus('replay', '--group', 'unordered', '--topic', 'user', ...range);
  await life.start('late');
  await untilHandled('late', 200);
  await Promise.all([life.crash('replayer'), life.crash('late')]);
  await untilHandled('late', all);
  await untilHandled('unordered', all, true);
  await untilHandled('unordered', good().length + 1);
  const audit = await life.bus('audit');

  expect(redrive, redrive.output).toMatchObject({ code: 0 });
  expect(replay, replay.output).toMatchObject({ code: 0 });
  expect([...(await life.kept())].sort()).toEqual(idsOf(life.published));
  expect(handledIds(await life.effects('ordered'))).toEqual(idsOf(good()));
  expect(handledOrder(await life.effects('ordered'))).toEqual(publishedOrder(good()));
  expect(handledIds(await life.effects('unordered'))).toEqual([...idsOf(good()), letter].sort());
  expect(handledIds(await life.effects('unordered', true))).toEqual(idsOf(life.published));
  expect(handledOrder(await life.effects('late'))).toEqual(publishedOrder(life.published));
  expect(audit, audit.output).toMatchObject({ code: 0 });
  expect(life.outputs('publisher')).not.toContain('lost events that the outbox no longer has');
  for (const part of [...first, 'late'] as const)
    expect(life.outputs(part)).not.toMatch(/NOPERM|No permissions/);
});
