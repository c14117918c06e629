import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { platformCatalog } from '@event-bus/contracts';
import {
  createPolicies,
  formerStreams,
  type RetentionView,
  retentionConfig,
  retentionStatus,
  streamsOfTopics,
  undefinedTopics,
} from '@event-bus/operations';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import type { SetStatus } from '../exit-status.ts';
import { printError } from '../output.ts';
import { tellUnreadable } from '../unreadable.ts';

const config = z.object({
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
  ...redisConfig,
  ...retentionConfig,
});

/** How the streams of one topic, or of all, stand; `undefined` if none is registered. Tells of those that cannot be read. */
export async function loadViews(
  topic: string | undefined,
  setStatus: SetStatus,
): Promise<readonly RetentionView[] | undefined> {
  const env = loadConfig(config, process.env);
  const policyOf = createPolicies(platformCatalog.topics, env.RETENTION);
  for (const name of undefinedTopics(platformCatalog.topics, env.RETENTION)) {
    printError(`RETENTION names the topic ${name}, which no contract defines.`);
  }
  return withConnections(async (connections) => {
    const { db: bus } = await connections.database(env.BUS_DATABASE_URL);
    const transport = connections.redis(env.REDIS_URL);
    const own = await streamsOfTopics(bus, topic);
    const former = [...(await formerStreams(bus))].filter(
      ([, name]) => topic === undefined || name === topic,
    );
    const streams = [...own, ...former.map(([stream]) => stream)];
    const parts = { bus, observer: transport.observer(), trimmer: transport.trimmer(), policyOf };
    const { views, unreadable } = await retentionStatus(parts, streams);
    tellUnreadable(unreadable, setStatus);
    return views.length + unreadable.length === 0 ? undefined : views;
  });
}
