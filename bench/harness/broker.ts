import { type ManagedProcess, startProcess } from '@event-bus/testkit';

const patienceMs = 60_000;

/** A broker of one's own. It never outlives this process. */
export interface Broker {
  readonly url: string;
  readonly pid: number;
  readonly version: string;
  stop(): Promise<void>;
}

/** Starts a server and waits until it prints that it is ready. */
export async function startServer(
  command: string,
  args: readonly string[],
  ready: RegExp,
  env: NodeJS.ProcessEnv = {},
): Promise<ManagedProcess> {
  const server = await startProcess(command, args, { env: { PATH: process.env.PATH, ...env } });
  try {
    await printed(server, ready, command);
  } catch (error) {
    await server.end('SIGKILL');
    throw error;
  }
  return server;
}

async function printed(server: ManagedProcess, ready: RegExp, command: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (why: string) => reject(new Error(`${command} ${why}. It printed:\n${server.output()}`));
  const look = () => {
    if (ready.test(server.output())) resolve();
  };
  const stopListening = server.onOutput(look);
  const impatience = setTimeout(() => fail(`was not ready after ${patienceMs} ms`), patienceMs);
  void server.exited.then(() => fail('ended'));
  try {
    look();
    await promise;
  } finally {
    stopListening();
    clearTimeout(impatience);
  }
}
