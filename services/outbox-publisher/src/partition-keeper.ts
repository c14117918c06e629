import { type BusDatabase, ensurePartitions } from '@event-bus/database';
import { createPruneObserver, type PruneParts, pruneIfLeading } from '@event-bus/publisher';
import { type Component, pollLoop } from '@event-bus/service';
import type { Logger } from '@event-bus/telemetry';
import type { Kysely } from 'kysely';

/** Makes the outbox's daily partitions some days ahead, so that inserts never fall into the default one. */
export function partitionKeeper(db: Kysely<BusDatabase>, logger: Logger): Component {
  return {
    name: 'partition-keeper',
    run: ({ drain }) =>
      pollLoop({
        intervalMs: 3_600_000,
        signal: drain,
        run: async () => {
          const made = await ensurePartitions(db, 'outbox');
          if (made > 0) logger.info({ made }, 'outbox partitions made');
        },
        onError: (error) =>
          logger.warn({ err: error }, 'outbox partitions are not made now; the default one serves'),
      }),
  };
}

/** Drops the outbox's old partitions while this process leads it. */
export function partitionPruner(
  parts: PruneParts & { readonly name: string },
  { everyMs, logger }: { readonly everyMs: number; readonly logger: Logger },
): Component {
  const observer = createPruneObserver(logger, parts.source);
  return {
    name: 'partition-pruner',
    run: ({ drain }) =>
      pollLoop({
        intervalMs: everyMs,
        signal: drain,
        run: async () => observer.pruned(await pruneIfLeading(parts)),
        onError: (error) => observer.failed(error),
      }),
  };
}
