import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { createTemporaryFolder, freePort } from '@event-bus/testkit';
import { type Broker, startServer } from './broker.ts';

/** Starts a RabbitMQ server without plugins, with the port mapper of Erlang that it needs. */
export async function startRabbit(): Promise<Broker> {
  const script = findScript();
  const folder = createTemporaryFolder('rabbitmq');
  const [port, distributionPort, mapperPort] = [await freePort(), await freePort(), await freePort()];
  const started: { end(signal: 'SIGTERM'): Promise<unknown> }[] = [];
  const stop = async () => {
    for (const server of started.toReversed()) await server.end('SIGTERM');
    await folder.remove();
  };
  try {
    // Else Erlang would start one by itself, which outlives the server.
    const mapperArgs = ['-d', '-d', '-port', String(mapperPort), '-address', '127.0.0.1'];
    started.push(await startServer('epmd', mapperArgs, /entering the main select/));
    const server = await startServer(script, [], /Server startup complete/, {
      HOME: folder.path,
      ERL_EPMD_PORT: String(mapperPort),
      RABBITMQ_NODENAME: 'bench@localhost',
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_MNESIA_BASE: join(folder.path, 'data'),
      RABBITMQ_LOG_BASE: folder.path,
      RABBITMQ_LOGS: '-',
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_CONFIG_FILE: join(folder.path, 'rabbitmq'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder.path, 'plugins'),
      // The script becomes the server instead of waiting for it: signals reach it, and its CPU time is that of this process.
      RUNNING_UNDER_SYSTEMD: 'true',
    });
    started.push(server);
    const version = /RabbitMQ (\d\S*)/.exec(server.output())?.[1] ?? 'unknown';
    return { url: `amqp://guest:guest@127.0.0.1:${port}`, pid: server.pid, version, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Debian's command on PATH changes to a user of its own; the script it calls lies beside it. */
function findScript(): string {
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'rabbitmq-server'))
    .find((path) => existsSync(path));
  if (onPath === undefined) throw new Error('rabbitmq-server is not on PATH');
  return join(dirname(realpathSync(onPath)), 'rabbitmq-server');
}
