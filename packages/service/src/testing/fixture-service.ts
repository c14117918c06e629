/** A service whose parts behave as its environment says, for the tests of the frame. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { ConfigError, databaseConfig, integer, list, workerConfig } from '@event-bus/config';
import { z } from 'zod';
import { runService, type StopSignals } from '../index.ts';

const behaviours: Readonly<Record<string, (signals: StopSignals) => Promise<void>>> = {
  steady: async ({ drain }) => aborted(drain),
  slow: async ({ abort }) => aborted(abort),
  passes_reason_on: async ({ abort }) => {
    await aborted(abort);
    throw abort.reason;
  },
  stuck: () => new Promise(() => undefined),
  crashes: async () => {
    throw new Error('the component broke');
  },
  crashes_at_stop: async ({ drain }) => {
    await aborted(drain);
    throw new Error('the component broke');
  },
  ends: async () => undefined,
  throws_astray: async ({ drain }) => {
    setTimeout(() => {
      throw new Error('thrown astray');
    }, 0);
    await aborted(drain);
  },
  rejects_astray: async ({ drain }) => {
    void Promise.reject(new Error('rejected astray'));
    await aborted(drain);
  },
};

const config = z.object({
  ...workerConfig,
  COMPONENTS: list().default(['steady']),
  SETUP: z.enum(['fails', 'faulty_config', 'closing_fails', 'waits']).optional(),
  DEPENDENCY_PORT: integer().optional(),
  SILENT_DEPENDENCY: z.string().optional(),
  ...(process.argv.includes('--with-database') ? databaseConfig : {}),
});

await runService({
  name: 'fixture',
  config,
  async setup({ config, logger, scope, waitFor }) {
    scope.defer(async () => logger.info({}, 'closed first resource'));
    scope.use({ close: async () => logger.info({}, 'closed second resource') });
    if (config.SETUP === 'fails') throw new Error('the schema is too old; run bus migrate');
    if (config.SETUP === 'faulty_config')
      throw new ConfigError([{ variable: 'CONSUMERS', problem: 'names no package' }]);
    if (config.SETUP === 'closing_fails') scope.defer(() => Promise.reject(new Error('the socket is gone')));

    const { DEPENDENCY_PORT: port, SILENT_DEPENDENCY: silent } = config;
    if (silent !== undefined) await waitFor(silent, () => new Promise(() => undefined));
    const check = async (): Promise<void> => {
      if (port !== undefined) await reach(port);
    };
    if (config.SETUP === 'waits') await waitFor('postgres', check);

    return {
      components: config.COMPONENTS.map((name) => ({ name, run: behaviours[name] ?? unknownBehaviour })),
      checks: [{ name: 'redis', check }],
    };
  },
});

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

async function reach(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}

async function unknownBehaviour(): Promise<void> {
  throw new Error('the fixture has no such behaviour');
}
