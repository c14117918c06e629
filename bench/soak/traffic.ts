import { join } from 'node:path';
import { type ServiceProcess, spawnService } from '@event-bus/testkit';
import type { Produced } from './producer.ts';

/** Processes that append events, one after the other. */
export interface Traffic {
  /** Events that were committed, by all of them. */
  readonly committed: () => number;
  /** How late the newest transaction began, in milliseconds. */
  readonly lateMs: () => number;
  /** Starts producers: events per second, and how many of them one transaction appends on average. */
  start(rate: number, eventsPerTransaction: number): Promise<void>;
  /** Rejects if producers end by themselves. */
  readonly broken: Promise<never>;
  /** Resolves when their last transaction is committed. */
  stop(): Promise<void>;
}

const nothing: Produced = { events: 0, lateMs: 0 };

/** Creates traffic on a database; still without producers. */
export function createTraffic(url: string): Traffic {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => 'whoever waits for it learns of it');
  let producers: ServiceProcess | undefined;
  let earlier = 0;
  const produced = () => (producers === undefined ? nothing : lastLine(producers));
  return {
    committed: () => earlier + produced().events,
    lateMs: () => produced().lateMs,
    broken: broken.promise,
    async start(rate, eventsPerTransaction) {
      const started = await spawnService({
        name: 'producers',
        entry: join(import.meta.dirname, 'producer.ts'),
        env: {
          DATABASE_URL: url,
          RATE: String(rate),
          EVENTS_PER_TRANSACTION: String(eventsPerTransaction),
        },
      });
      producers = started;
      void started.exited.then(({ code, signal }) => {
        if (code === 0) return;
        const end = started.output().slice(-2_000);
        broken.reject(new Error(`The producers ended (${signal ?? `status ${code}`}):\n${end}`));
      });
      await started.waitFor(/^begin$/m);
    },
    async stop() {
      await producers?.stop({ patienceMs: 60_000 });
      earlier += produced().events;
      producers = undefined;
    },
  };
}

function lastLine(process: ServiceProcess): Produced {
  // The last line may not be all there yet.
  const lines = process.output().slice(-1_000).split('\n').slice(0, -1);
  const found = lines.findLast((line) => line.startsWith('{') && line.endsWith('}'));
  return found === undefined ? nothing : (JSON.parse(found) as Produced);
}
