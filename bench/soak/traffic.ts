import { join } from 'node:path';
import { type ServiceProcess, spawnService } from '@event-bus/testkit';
import type { Produced } from './application.ts';

/** Processes that append events, one after the other. */
export interface Traffic {
  /** Events that were committed, by all of them. */
  readonly committed: () => number;
  /** How late the newest transaction began, in milliseconds. */
  readonly lateMs: () => number;
  /** Starts the application, at so many events per second. */
  start(rate: number): Promise<void>;
  /** Rejects if a process ends that was not to, or not so. */
  readonly broken: Promise<never>;
  /** Resolves when the application's last transaction is committed. */
  stop(): Promise<void>;
  /** Imports so many events as fast as it goes. Resolves when all are committed. */
  importAll(events: number): Promise<void>;
}

const nothing: Produced = { events: 0, lateMs: 0 };

/** Creates traffic on a database; still without a process. */
export function createTraffic(url: string): Traffic {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => 'whoever waits for it learns of it');
  let running: ServiceProcess | undefined;
  let earlier = 0;
  const produced = () => (running === undefined ? nothing : lastLine(running));

  async function spawn(name: 'application' | 'import', told: Readonly<Record<string, string>>) {
    const entry = join(import.meta.dirname, `${name}.ts`);
    const started = await spawnService({ name, entry, env: { DATABASE_URL: url, ...told } });
    running = started;
    void started.exited.then(({ code, signal }) => {
      if (code === 0) return;
      const end = started.output().slice(-2_000);
      broken.reject(new Error(`The ${name} ended (${signal ?? `status ${code}`}):\n${end}`));
    });
    await started.waitFor(/^begin$/m);
    return started;
  }

  function settle(): void {
    earlier += produced().events;
    running = undefined;
  }

  return {
    committed: () => earlier + produced().events,
    lateMs: () => produced().lateMs,
    broken: broken.promise,
    async start(rate) {
      await spawn('application', { RATE: String(rate) });
    },
    async stop() {
      await running?.stop({ patienceMs: 60_000 });
      settle();
    },
    async importAll(events) {
      const importing = await spawn('import', { EVENTS: String(events) });
      const { code } = await importing.exited;
      if (code !== 0) await broken.promise;
      settle();
    },
  };
}

function lastLine(process: ServiceProcess): Produced {
  // The last line may not be all there yet.
  const lines = process.output().slice(-1_000).split('\n').slice(0, -1);
  const found = lines.findLast((line) => line.startsWith('{') && line.endsWith('}'));
  return found === undefined ? nothing : (JSON.parse(found) as Produced);
}
