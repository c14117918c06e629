import type { Mutation } from './mutation.ts';

const service = ['services/retention-archiver/src/service.int.test.ts'];

/** What keeps a clock that jumps from deleting anything, and from keeping anything waiting. */
export const clockMutations: readonly Mutation[] = [
  {
    name: 'backoff-by-wall-clock',
    harm: 'after a clock was set back a retry waits until the clock has caught up',
    edits: [
      {
        file: 'packages/consumer/src/runner/settling.ts',
        find: '    return performance.now() + failure.delayMs;\n',
        replace: '    return Date.now() + failure.delayMs;\n',
      },
      {
        file: 'packages/consumer/src/runner/handling.ts',
        find: '    const now = performance.now();\n',
        replace: '    const now = Date.now();\n',
      },
      {
        file: 'packages/consumer/src/runner/handling.ts',
        find: 'dueAt - performance.now(), 1',
        replace: 'dueAt - Date.now(), 1',
      },
    ],
    tests: ['packages/consumer/src/runner/holding.int.test.ts'],
    only: 'set back',
  },
  {
    name: 'backoff-as-recorded',
    harm: 'a failure recorded by a runner whose clock was a year ahead is retried in a year',
    edits: [
      {
        file: 'packages/consumer/src/runner/intake.ts',
        find: 'Math.min(record.dueAt - Date.now(), record.dueAt - record.failedAt)',
        replace: 'Math.max(0, record.dueAt - Date.now())',
      },
    ],
    tests: ['packages/consumer/src/runner/spoilt-redis.int.test.ts'],
    only: 'whatever the record',
  },
  {
    name: 'expiry-by-own-clock',
    harm: 'a process whose clock is a year ahead deletes the archive',
    edits: [
      {
        file: 'services/retention-archiver/src/expire.ts',
        find: 'Math.min(Date.now(), await clockOf(bus))',
        replace: 'Math.max(Date.now(), await clockOf(bus))',
      },
    ],
    tests: service,
    only: 'a year ahead',
  },
  {
    name: 'jobs-planned-far-ahead',
    harm: 'sweeps that a process planned by a clock that was a year ahead keep a stream waiting for a year',
    edits: [
      {
        file: 'services/retention-archiver/src/jobs.ts',
        find: '    if (isFarAhead) await queue.removeJobScheduler(id);\n',
        replace: '',
      },
    ],
    tests: service,
    only: 'a year ahead',
  },
];
