import { join } from 'node:path';
import { createTemplate, queryNumber } from './fill/database.ts';
import { stream } from './fill/events.ts';
import { fillHistory, pastMark, pastStream } from './fill/history.ts';
import { fillOutbox } from './fill/outbox.ts';
import { formatValue } from './harness/figure.ts';
import { assertCount, measureService } from './harness/measure.ts';
import type { Preparation, Question, Run, Stage } from './harness/question.ts';
import { withClient } from './harness/with-client.ts';

const days = 20;
/** Long enough to last some seconds: what grows with every batch has time to show. */
const backlog = 300_000;
const histories = [1_000_000, 5_000_000];
const pruning = { events: backlog, past: 400_000, template: 'bench_growth_pruning' };
const service = join(import.meta.dirname, '..', 'services', 'outbox-publisher', 'src', 'main.ts');
const templateOf = (past: number) => `bench_growth_${past}`;
const published = (past: number) => `${formatValue(past)} published before`;

/** Whether a publisher at full load is slowed down by its past, and by whoever looks at it for long. */
export const growth: Question = {
  name: 'growth',
  title: `Growth: drain a pre-filled outbox, with the past of ${days} days or without, kept or dropped`,
  async prepare(preparation) {
    for (const past of [0, ...histories]) {
      await createOutbox(preparation, { events: backlog, past, template: templateOf(past) });
    }
    await createOutbox(preparation, pruning);
  },
  variants: [
    { name: 'nothing before', run: (stage) => drain(stage, 0) },
    ...histories.map((past) => ({ name: published(past), run: (stage: Stage) => drain(stage, past) })),
    { name: 'nothing before, under an old snapshot', run: drainUnderOldSnapshot },
    { name: '20 days kept', run: (stage) => prune(stage, '3650d', pruning.past) },
    { name: '20 days dropped meanwhile', run: (stage) => prune(stage, '7d', 0) },
  ],
  goals: [
    ...histories.map((past) => ({ variant: published(past), over: 'nothing before', atLeast: 0.9 })),
    { variant: 'nothing before, under an old snapshot', over: 'nothing before', atLeast: 0.9 },
    { variant: '20 days dropped meanwhile', over: '20 days kept', atLeast: 0.9 },
  ],
};

/** A backlog, and events that were published before. */
interface Contents {
  readonly events: number;
  readonly past: number;
}

async function createOutbox(
  { postgres, count }: Preparation,
  { events, past, template }: Contents & { readonly template: string },
): Promise<void> {
  const history = past === 0 ? [] : fillHistory(days, count(past / days));
  await createTemplate(postgres, template, [...history, fillOutbox(count(events))]);
}

async function drain(stage: Stage, past: number): Promise<Run> {
  const url = await stage.database(templateOf(past));
  return runPublisher(stage, url, { events: backlog, past });
}

/** A report or a dump that began before all that is published now, and has not ended. */
async function drainUnderOldSnapshot(stage: Stage): Promise<Run> {
  const url = await stage.database(templateOf(0));
  return withClient(url, async (client) => {
    await client.query('begin isolation level repeatable read');
    await client.query('select from outbox_cursor');
    return runPublisher(stage, url, { events: backlog, past: 0 });
  });
}

async function prune(stage: Stage, keep: string, pastLeft: number): Promise<Run> {
  const url = await stage.database(pruning.template);
  const variables = { OUTBOX_KEEP: keep, OUTBOX_PRUNE_EVERY: '100ms' };
  const run = await runPublisher(stage, url, pruning, variables);
  const past = await queryNumber(url, `select count(*) from outbox_events where aggregate_type = 'past'`);
  assertCount('past events', past, stage.count(pastLeft));
  return run;
}

async function runPublisher(
  stage: Stage,
  url: string,
  { events, past }: Contents,
  variables: Readonly<Record<string, string>> = { OUTBOX_KEEP: '3650d' },
): Promise<Run> {
  const count = stage.count(events);
  const redis = stage.redis.client();
  if (past > 0) {
    await redis.hset(`{${pastStream}}:writers`, {
      '@trimmed': pastMark.entryId,
      bench: `${pastMark.entryId} ${pastMark.eventId}`,
    });
  }
  const run = await measureService(stage, {
    entry: service,
    env: { DATABASE_URL: url, REDIS_URL: stage.redis.url, OUTBOX_SOURCE: 'bench', ...variables },
    events: count,
    progress: () => redis.xlen(stream),
  });
  assertCount('entries in the stream', await redis.xlen(stream), count);
  return { ...run, figures: [...run.figures, { name: 'past', unit: 'events', value: stage.count(past) }] };
}
