import { join } from 'node:path';
import { createTemporaryFolder } from '@event-bus/testkit';
import type { Redis } from 'ioredis';
import { consumerEnv } from './consumer-env.ts';
import { createTemplate } from './fill/database.ts';
import { createEffects } from './fill/effects.ts';
import { entryOf, stream } from './fill/events.ts';
import { until, withProgram } from './harness/measure.ts';
import type { Question, Run, Stage } from './harness/question.ts';
import { withClient } from './harness/with-client.ts';

const template = 'bench_start';
const services = [
  'outbox-publisher',
  'consumer-runner',
  'dlq-mover',
  'retention-archiver',
  'replayer',
  'bus-monitor',
] as const;
const firstEvent = 'consumer-runner, its first event';

/** How long it takes until a process is of use, with what it needs at hand. */
export const start: Question = {
  name: 'start',
  title: 'Start: from the start of a process to ready, and what the first event takes',
  prepare: ({ postgres }) => createTemplate(postgres, template, [createEffects]),
  variants: [
    { name: services[0], run: (stage) => runUntilReady(stage, services[0]) },
    ...services.slice(1).map((name) => ({ name, run: (stage: Stage) => runUntilReady(stage, name) })),
    { name: firstEvent, run: handleFirst },
  ],
  goals: [],
};

async function runUntilReady(stage: Stage, service: (typeof services)[number]): Promise<Run> {
  const folder = createTemporaryFolder('bench-archive');
  try {
    const program = await programOf(stage, service, { ARCHIVE_URL: `file://${folder.path}` });
    const startedAt = performance.now();
    return await withProgram(program, async (running) => {
      await running.waitFor(/"msg":"started"/);
      return toRun('until ready', performance.now() - startedAt);
    });
  } finally {
    await folder.remove();
  }
}

/** From when an entry is in the stream of a runner that has handled none, to the commit of its handler. */
async function handleFirst(stage: Stage): Promise<Run> {
  const program = await programOf(stage, 'consumer-runner', {});
  const redis = stage.redis.client();
  return withProgram(program, (running) =>
    withClient(program.env.DATABASE_URL, async (client) => {
      await running.waitFor(/"msg":"started"/);
      await until(() => hasGroup(redis), running, 5);
      const { rows: before } = await client.query<{ ms: number }>(
        'select extract(epoch from clock_timestamp())::float8 * 1000 as ms',
      );
      await redis.xadd(stream, '*', ...entryOf(1));
      const handled =
        'select extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms from effects';
      let committedAt: number | undefined;
      const look = async () => {
        committedAt = (await client.query<{ ms: number }>(handled)).rows[0]?.ms;
        return committedAt !== undefined;
      };
      await until(look, running, 5);
      return toRun('until handled', (committedAt ?? 0) - (before[0]?.ms ?? 0));
    }),
  );
}

/** Whether the runner has made its group on the stream: from then on it reads. */
async function hasGroup(redis: Redis): Promise<boolean> {
  if ((await redis.exists(stream)) === 0) return false;
  return ((await redis.xinfo('GROUPS', stream)) as unknown[]).length > 0;
}

async function programOf(stage: Stage, service: string, variables: Readonly<Record<string, string>>) {
  const env = {
    DATABASE_URL: await stage.database(template),
    REDIS_URL: stage.redis.url,
    OUTBOX_SOURCE: 'bench',
    ...consumerEnv({ transaction: 'event' }),
    ...variables,
  };
  return { entry: join(import.meta.dirname, '..', 'services', service, 'src', 'main.ts'), env };
}

function toRun(name: string, value: number): Run {
  return { events: 0, figures: [{ name, unit: 'ms', value }] };
}
