import { makeWorkerUtils } from 'graphile-worker';
import { messageOf } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';

const jobsPerCall = 1_000;
const events = count('EVENTS');
const utils = await makeWorkerUtils({ connectionString: parameter('DATABASE_URL') });
await utils.migrate();

for (let start = 1; start <= events; start += jobsPerCall) {
  const length = Math.min(jobsPerCall, events + 1 - start);
  await utils.addJobs(
    Array.from({ length }, (_, index) => ({ identifier: 'publish', payload: messageOf(start + index) })),
  );
}

await utils.release();
