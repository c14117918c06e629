import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the range the system takes ports for outgoing connections from, so that a server that is restarted finds
// its port free again; and the cluster bus port of Redis (port + 10000) lies below it too.
const LOWEST = 11_000;
const HIGHEST = 22_000;
const TRIES = 50;

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => resolve(true));
  const free = await promise;
  if (free) {
    server.close();
    await once(server, 'close');
  }
  return free;
}

/**
 * A port of 127.0.0.1 on which nothing listened a moment ago. It is not reserved: who listens on it next must
 * cope with having lost it.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) return port;
  }
  throw new Error(`None of ${TRIES} ports between ${LOWEST} and ${HIGHEST} was free on 127.0.0.1.`);
}
