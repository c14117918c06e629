import { createInboxPruneObserver, pruneInbox, type ReachParts } from '@event-bus/consumer/pruning';
import { ensureInboxPartitions } from '@event-bus/inbox';
import { type Component, pollLoop } from '@event-bus/service';
import type { Logger } from '@event-bus/telemetry';
import type { BusConnection } from './databases.ts';

const hourMs = 3_600_000;

/** Makes the inbox's daily partitions some days ahead, so that rows never fall into the default one. */
export function inboxKeeper(db: BusConnection, logger: Logger): Component {
  return {
    name: 'inbox-keeper',
    run: ({ drain }) =>
      pollLoop({
        intervalMs: hourMs,
        signal: drain,
        run: async () => {
          const made = await ensureInboxPartitions(db);
          if (made > 0) logger.info({ made }, 'inbox partitions made');
        },
        onError: (error) =>
          logger.warn({ err: error }, 'inbox partitions are not made now; the default one serves'),
      }),
  };
}

/** Drops the inbox' old partitions. Any number of runners may do so. */
export function inboxPruner(
  parts: ReachParts,
  { keepMs, everyMs, logger }: { readonly keepMs: number; readonly everyMs: number; readonly logger: Logger },
): Component {
  const observer = createInboxPruneObserver(logger);
  return {
    name: 'inbox-pruner',
    run: ({ drain }) =>
      pollLoop({
        intervalMs: everyMs,
        signal: drain,
        run: async (signal) => observer.pruned(await pruneInbox(parts, keepMs, signal)),
        onError: (error) => {
          if (!drain.aborted) observer.failed(error);
        },
      }),
  };
}
