import type { ServiceProcess } from '@event-bus/testkit';

/** Keeps one process running. */
export interface Supervisor {
  /** How often it has died. */
  deaths(): number;
  /** Ends it for good. */
  stop(): Promise<void>;
}

/** Starts a process again each time that it ends, as an orchestrator does, and kills it when it no longer answers. */
export function supervise(spawn: () => Promise<ServiceProcess>): Supervisor {
  let deaths = 0;
  let stopped = false;
  let current: ServiceProcess | undefined;

  async function run(): Promise<void> {
    while (!stopped) {
      const service = await spawn();
      current = service;
      if (stopped) await service.stop();
      service
        .waitFor(/the event loop is blocked/, { timeoutMs: 120_000 })
        .then(() => service.kill('SIGKILL'))
        .catch(() => 'it has ended');
      await service.exited;
      if (!stopped) deaths += 1;
    }
  }

  const ended = run();
  return {
    deaths: () => deaths,
    async stop() {
      stopped = true;
      await current?.stop();
      await ended;
    },
  };
}
