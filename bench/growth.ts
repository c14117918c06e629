import { join } from 'node:path';
import { eventually } from '@event-bus/testkit';
import { createTemplate, queryNumber } from './fill/database.ts';
import { stream } from './fill/events.ts';
import { fillHistory, pastMark, pastStream } from './fill/history.ts';
import { fillOutbox } from './fill/outbox.ts';
import { assertCount, measureService } from './harness/measure.ts';
import type { Question, Run, Stage } from './harness/question.ts';

const events = 50_000;
const days = 20;
const eventsPerDay = 20_000;
const template = 'bench_growth';
const service = join(import.meta.dirname, '..', 'services', 'outbox-publisher', 'src', 'main.ts');

/** What it costs a publisher at full load to drop its past. */
export const growth: Question = {
  name: 'growth',
  title: `Growth: drain a pre-filled outbox that has ${days} days to drop`,
  prepare: ({ postgres, count }) =>
    createTemplate(postgres, template, [
      ...fillHistory(days, count(eventsPerDay)),
      fillOutbox(count(events)),
    ]),
  variants: [
    { name: 'keeps them', run: (stage) => runPublisher(stage, '3650d', days) },
    { name: 'drops them meanwhile', run: (stage) => runPublisher(stage, '7d', 0) },
  ],
  goals: [{ variant: 'drops them meanwhile', over: 'keeps them', atLeast: 0.9 }],
};

async function runPublisher(stage: Stage, keep: string, daysLeft: number): Promise<Run> {
  const count = stage.count(events);
  const url = await stage.database(template);
  const redis = stage.redis.client();
  await redis.hset(`{${pastStream}}:writers`, {
    '@trimmed': pastMark.entryId,
    bench: `${pastMark.entryId} ${pastMark.eventId}`,
  });
  const run = await measureService(stage, {
    entry: service,
    env: {
      DATABASE_URL: url,
      REDIS_URL: stage.redis.url,
      OUTBOX_SOURCE: 'bench',
      OUTBOX_KEEP: keep,
      OUTBOX_PRUNE_EVERY: '100ms',
    },
    events: count,
    progress: () => redis.xlen(stream),
  });
  await eventually(async () => (await redis.xlen(stream)) === count);
  const past = await queryNumber(url, `select count(*) from outbox_events where aggregate_type = 'past'`);
  assertCount('past events', past, daysLeft * stage.count(eventsPerDay));
  return run;
}
