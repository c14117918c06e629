import type { Mutation } from './mutation.ts';

const orderedGroup = 'packages/consumer/src/runner/ordered-group.int.test.ts';

/** What keeps two runners from handling one stream of an ordered group. */
export const leasingMutations: readonly Mutation[] = [
  {
    name: 'no-lease-at-commit',
    harm: 'a transaction commits without proof that its runner still holds the stream',
    edits: [
      {
        file: 'packages/consumer/src/transaction/commit.ts',
        find: 'const checks = [...distinct.values()].map(',
        replace: 'const checks = [...distinct.values()].slice(0, 0).map(',
      },
    ],
    tests: ['packages/consumer/src/fence.int.test.ts'],
  },
  {
    name: 'lease-check-without-lock',
    harm: 'a lease passes on while a transaction that has proven it is about to commit',
    edits: [
      {
        file: 'packages/database/migrations/0005-lease-check.sql',
        find: '  perform pg_advisory_xact_lock_shared(inbox_lease_key(lease_group, lease_stream));\n',
        replace: '',
      },
    ],
    tests: ['packages/inbox/src/leases.int.test.ts'],
  },
  {
    name: 'lease-prolonged-by-clock',
    harm: 'the lease of a runner that died lasts as long as the clock of the database was set back',
    edits: [
      {
        file: 'packages/database/migrations/0012-lease-clock.sql',
        find: 'and expires_at > clock_timestamp() + ttl;',
        replace: 'and false;',
      },
    ],
    tests: ['packages/inbox/src/leases.int.test.ts'],
  },
  {
    name: 'claimed-after-the-lease',
    harm: 'a runner that was frozen takes from its successor what is in hand there',
    edits: [
      {
        file: 'packages/consumer/src/runner/reclaim.ts',
        find: '    loseExpiredLease(state, state.slotOf(feed));\n',
        replace: '',
      },
    ],
    tests: [orderedGroup],
    only: 'claims no more',
  },
  {
    name: 'handled-without-a-lease',
    harm: 'what was claimed while the lease was being lost is handled without one',
    edits: [
      {
        file: 'packages/consumer/src/runner/intake.ts',
        find: 'if (feed.recovery !== began) {',
        replace: 'if (began === undefined) {',
      },
    ],
    tests: [orderedGroup],
    only: 'losing the lease',
  },
  {
    name: 'late-reads-overtaken',
    harm: 'an entry that went to a read which had been given up is overtaken by those behind it',
    edits: [
      {
        file: 'packages/consumer/src/runner/feed.ts',
        find: '      after = lastDelivered;\n',
        replace: '      after = lastDelivered === undefined ? lastDelivered : undefined;\n',
      },
    ],
    tests: [orderedGroup],
    only: 'handed out late',
  },
];
