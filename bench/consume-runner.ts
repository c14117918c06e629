import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { type ConsumerSettings, consumerEnv } from './consumer-env.ts';
import { stream } from './fill/events.ts';
import { fillStream } from './fill/stream.ts';
import { measureService } from './harness/measure.ts';
import type { Run, Stage } from './harness/question.ts';

const service = join(import.meta.dirname, '..', 'services', 'consumer-runner', 'src', 'main.ts');

/**
 * Has a consumer-runner handle a pre-filled stream, whose events belong to traces if they are `traced`. Its inbox is in
 * the database that `url` names.
 */
export async function runRunner(
  stage: Stage,
  url: string,
  settings: ConsumerSettings,
  events: number,
  {
    traced = false,
    env = {},
  }: { readonly traced?: boolean; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Run> {
  const redis = stage.redis.client();
  const lastId = await fillStream(redis, events, { traced });
  return measureService(stage, {
    entry: service,
    env: {
      DATABASE_URL: url,
      REDIS_URL: stage.redis.url,
      ...consumerEnv(settings),
      ...env,
    },
    events,
    progress: () => progressOf(redis, lastId, events),
  });
}

/** All if everything was delivered and acknowledged, next to nothing if anything was delivered, or nothing. */
async function progressOf(redis: Redis, lastId: string, events: number): Promise<number> {
  const reply = (await redis.call('XINFO', 'GROUPS', stream)) as (string | number)[][];
  const fields = reply[0] ?? [];
  const value = (name: string) => fields[fields.indexOf(name) + 1];
  const delivered = value('last-delivered-id') ?? '0-0';
  if (fields.length === 0 || delivered === '0-0') return 0;
  return delivered === lastId && value('pending') === 0 ? events : 0.1;
}
