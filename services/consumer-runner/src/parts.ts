import type { ConsumerDefinition } from '@event-bus/consumer';
import {
  createDispatcher,
  createGroupRunner,
  createLeaseStore,
  createSolitude,
} from '@event-bus/consumer/runner';
import { platformCatalog } from '@event-bus/contracts';
import { assertSchemaIsCurrent } from '@event-bus/database';
import type { Component, ServiceParts, SetupContext } from '@event-bus/service';
import { createRedisTransport } from '@event-bus/transport/redis';
import { type RunnerConfig, runnerSettings, transactionIdleMs } from './config.ts';
import { openDatabases } from './databases.ts';
import { inboxKeeper, inboxPruner } from './inbox-keeper.ts';
import { loadConsumers } from './load-consumers.ts';
import { registerWindows } from './windows.ts';

/** Makes the parts of a consumer runner: a component per consumer, and the upkeep of their inbox. */
export async function createParts(context: SetupContext<RunnerConfig>): Promise<ServiceParts> {
  const { config, logger, scope, waitFor } = context;
  const consumers = (await loadConsumers(config.CONSUMERS)).map(
    (consumer): ConsumerDefinition => ({
      ...consumer,
      concurrency: config.CONCURRENCY ?? consumer.concurrency,
    }),
  );
  const { handlers, upkeep, pruning, bus, checks } = openDatabases(config, consumers, { logger, scope });
  const transport = scope.use(createRedisTransport({ url: config.REDIS_URL.reveal() }));
  const observer = transport.observer();

  for (const database of checks) await waitFor(database.name, () => database.check());
  for (const database of [upkeep, bus]) await assertSchemaIsCurrent(database);

  await registerWindows(bus, config, consumers);

  const solitude = createSolitude();
  const runners = consumers.map(
    (consumer): Component =>
      createGroupRunner({
        group: consumer,
        dispatcher: createDispatcher({
          consumer,
          catalog: platformCatalog,
          pool: handlers,
          logger,
          transactionIdleMs: transactionIdleMs(config, consumer.ordering),
        }),
        transport,
        registry: bus,
        inbox: upkeep,
        solitude,
        ...(consumer.ordering === 'aggregate' ? { leases: createLeaseStore(upkeep, consumer.group) } : {}),
        logger,
        settings: runnerSettings(config),
      }),
  );
  return {
    components: [
      ...runners,
      inboxKeeper(upkeep, logger),
      inboxPruner(
        { inbox: pruning, bus, streams: observer },
        { keepMs: config.INBOX_KEEP, everyMs: config.INBOX_PRUNE_EVERY, logger },
      ),
    ],
    checks: [...checks, { name: 'redis', check: () => observer.ping() }],
  };
}
