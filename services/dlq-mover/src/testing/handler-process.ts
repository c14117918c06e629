// A process that handles one entry, ENTRY as JSON, and commits when it is told to by SIGUSR2.
import { once } from 'node:events';
import { createDatabase, createPool } from '@event-bus/database';
import { createRedisTransport } from '@event-bus/transport/redis';
import { handleEntry, type TestEntry } from './handle-entry.ts';

const { DATABASE_URL = '', REDIS_URL = '', ENTRY = '', GROUP = '', STREAM = '', IDLE_MS } = process.env;

const transport = createRedisTransport({ url: REDIS_URL });
const db = createDatabase(createPool({ url: DATABASE_URL, applicationName: 'handler', max: 1 }));
const told = once(process, 'SIGUSR2');
// Nothing else keeps the process alive while it waits for a signal.
const alive = setInterval(() => undefined, 60_000);
try {
  const outcome = await handleEntry(JSON.parse(ENTRY) as TestEntry, {
    db,
    reader: transport.reader(),
    ref: { stream: STREAM, group: GROUP },
    idleMs: Number(IDLE_MS),
    during: async () => {
      console.log('in hand');
      await told;
    },
  });
  console.log(`outcome: ${outcome}`);
} catch (error) {
  console.log(`outcome: failed, ${String(error)}`);
} finally {
  clearInterval(alive);
  await transport.close();
  await db.destroy();
}
