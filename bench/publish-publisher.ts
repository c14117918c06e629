import { join } from 'node:path';
import { eventually } from '@event-bus/testkit';
import { queryNumber } from './fill/database.ts';
import { stream } from './fill/events.ts';
import { measureService } from './harness/measure.ts';
import type { Run, Stage } from './harness/question.ts';
import { assertEntries } from './publish-entries.ts';

const service = join(import.meta.dirname, '..', 'services', 'outbox-publisher', 'src', 'main.ts');

/** Has an outbox-publisher drain the outbox of a template, which holds `events`. */
export async function runPublisher(
  stage: Stage,
  template: string,
  events: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const count = stage.count(events);
  const url = await stage.database(template);
  const redis = stage.redis.client();
  const run = await measureService(stage, {
    entry: service,
    env: { DATABASE_URL: url, REDIS_URL: stage.redis.url, OUTBOX_SOURCE: 'bench', ...env },
    events: count,
    progress: () => redis.xlen(stream),
  });
  await assertEntries(redis, count, { ordered: true });
  const published = "select count(*) from outbox_status where status = 'published'";
  await eventually(async () => (await queryNumber(url, published)) === count);
  return run;
}
