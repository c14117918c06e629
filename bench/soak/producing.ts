import { join } from 'node:path';
import { type ServiceProcess, spawnService } from '@event-bus/testkit';
import type { Produced } from './producer.ts';

/** A process that appends events until it is stopped. */
export interface Producing {
  readonly produced: () => Produced;
  /** Rejects if the process ends by itself. */
  readonly broken: Promise<never>;
  /** Resolves when its last transaction is committed. */
  stop(): Promise<Produced>;
}

/** Starts producers on a database: events per second, and how many of them one transaction appends on average. */
export async function startProducing(
  url: string,
  rate: number,
  eventsPerTransaction: number,
): Promise<Producing> {
  const process = await spawnService({
    name: 'producers',
    entry: join(import.meta.dirname, 'producer.ts'),
    env: {
      DATABASE_URL: url,
      RATE: String(rate),
      EVENTS_PER_TRANSACTION: String(eventsPerTransaction),
    },
  });
  let isStopping = false;
  const broken = process.exited.then(({ code, signal }) => {
    if (!isStopping || code !== 0)
      throw new Error(
        `The producers ended (${signal ?? `status ${code}`}):\n${process.output().slice(-2_000)}`,
      );
    return new Promise<never>(() => 'they ended as they should');
  });
  broken.catch(() => 'whoever waits for it learns of it');
  await process.waitFor(/^begin$/m);
  return {
    produced: () => lastLine(process),
    broken,
    async stop() {
      isStopping = true;
      await process.stop({ patienceMs: 60_000 });
      return lastLine(process);
    },
  };
}

function lastLine(process: ServiceProcess): Produced {
  // The last line may not be all there yet.
  const lines = process.output().slice(-1_000).split('\n').slice(0, -1);
  const found = lines.findLast((line) => line.startsWith('{') && line.endsWith('}'));
  return found === undefined ? { events: 0, lateMs: 0 } : (JSON.parse(found) as Produced);
}
