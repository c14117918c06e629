// Starts servers and then waits to be killed: what the kit starts must not outlive it.

import { startPostgres } from '../postgres.ts';
import { spawnService } from '../processes.ts';
import { startRedis } from '../redis.ts';

const postgres = await startPostgres();
const redis = await startRedis();
const service = await spawnService({ entry: new URL('./talker.ts', import.meta.url) });
console.log(JSON.stringify({ pids: [postgres.pid, redis.pid, service.pid], folders: [redis.dir] }));
setInterval(() => 'alive', 60_000);
