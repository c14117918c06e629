import { createTemporaryFolder, freePort } from '@event-bus/testkit';
import { type Broker, startServer } from './broker.ts';

/** Starts a NATS server with JetStream, whose streams lie on disk. */
export async function startNats(): Promise<Broker> {
  const folder = createTemporaryFolder('nats');
  try {
    const port = await freePort();
    const args = ['--jetstream', '--store_dir', folder.path, '--addr', '127.0.0.1', '--port', String(port)];
    const server = await startServer('nats-server', args, /Server is ready/);
    return {
      url: `nats://127.0.0.1:${port}`,
      pid: server.pid,
      version: /Version: +(\S+)/.exec(server.output())?.[1] ?? 'unknown',
      async stop() {
        await server.end('SIGTERM');
        await folder.remove();
      },
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}
