import type { Mutation } from './mutation.ts';

const migration = 'packages/database/migrations/0018-pruning.sql';
const disposable = 'packages/publisher/src/pruning/disposable.ts';
const outbox = ['packages/publisher/src/pruning/prune.int.test.ts'];
const inbox = ['packages/consumer/src/pruning/prune-inbox.int.test.ts'];
const reach = 'packages/consumer/src/pruning/reach.ts';

/** What keeps old partitions from being dropped while somebody needs them. */
export const pruningMutations: readonly Mutation[] = [
  {
    name: 'prune-without-lock',
    harm: 'a row that is committed late goes with its partition, unpublished',
    edits: [
      {
        file: migration,
        find: "execute format('lock table only %I in share mode', partition);\n  select * into kind, reason from outbox_explain_partition",
        replace: 'select * into kind, reason from outbox_explain_partition',
      },
    ],
    tests: outbox,
    only: 'commits late',
  },
  {
    name: 'prune-without-proof',
    harm: 'a partition goes whatever stands in it',
    edits: [
      {
        file: migration,
        find: 'where not $1 @> e.position order',
        replace: 'where $1 @> e.position and false order',
      },
    ],
    tests: outbox,
  },
  {
    name: 'prune-missing-group',
    harm: 'a group that Redis has forgotten is taken to have settled all',
    edits: [
      {
        file: disposable,
        find: "if (found.state === 'missing') return",
        replace: "if (found.state === 'missing' && streams === undefined) return",
      },
    ],
    tests: outbox,
    only: 'not acknowledged one of them',
  },
  {
    name: 'prune-unread-stream',
    harm: 'a stream that nobody reads is taken to be settled',
    edits: [{ file: disposable, find: 'if (groups.length === 0)', replace: 'if (groups.length < 0)' }],
    tests: outbox,
    only: 'not acknowledged one of them',
  },
  {
    name: 'prune-stream-gone-back',
    harm: 'entry IDs are believed of a stream that lacks what was written to it',
    edits: [
      {
        file: disposable,
        find: 'if (entry?.fields.event_id !== newest.lastEventId)',
        replace: 'if (entry === null)',
      },
    ],
    tests: outbox,
    only: 'entry IDs mean nothing',
  },
  {
    name: 'prune-part-of-a-batch',
    harm: 'a batch that is archived in part is taken to be archived',
    edits: [
      {
        file: disposable,
        find: '({ lastId }) => compareEntryIds(lastId, archivedTo) <= 0',
        replace: '() => true',
      },
    ],
    tests: outbox,
    only: 'if the archive has them',
  },
  {
    name: 'prune-settled-alarms',
    harm: 'what every group has settled is missed after a flush',
    edits: [
      {
        file: 'packages/publisher/src/reconcile.ts',
        find: 'if (batch.number > settled) observer.unrecoverable(batch)',
        replace: 'observer.unrecoverable(batch)',
      },
    ],
    tests: outbox,
    only: 'is not missed',
  },
  {
    name: 'prune-settled-by-newcomers',
    harm: 'what a group has yet to read counts as settled, since those before it had',
    edits: [
      {
        file: 'packages/outbox/src/log/pruning.ts',
        find: 'set number = excluded.number',
        replace: 'set number = greatest(known.number, excluded.number)',
      },
    ],
    tests: outbox,
    only: 'a group that came later',
  },
  {
    name: 'inbox-prune-dead-letters',
    harm: 'a dead letter loses its inbox row',
    edits: [
      {
        file: migration,
        find: "where p.partition = inbox_explain_partition.partition and d.state in ('dead', 'redriving')",
        replace: 'where false',
      },
    ],
    tests: inbox,
    only: 'dead letter',
  },
  {
    name: 'inbox-prune-unsettled',
    harm: 'what waits in a stream does not keep its inbox rows',
    edits: [
      {
        file: reach,
        find: 'writtenSinceMs = issuedAt(oldestId);',
        replace: '',
      },
    ],
    tests: inbox,
    only: 'yet to settle',
  },
  {
    name: 'inbox-prune-at-once',
    harm: 'an inbox forgets before every runner may know what, if somebody else raised the floors, or died behind that',
    edits: [
      {
        file: 'packages/consumer/src/pruning/prune-inbox.ts',
        find: 'if (raisedAgoMs < waitMs)',
        replace: 'if (raisedAgoMs < 0)',
      },
    ],
    tests: ['packages/consumer/src/pruning/prune-inbox.int.test.ts'],
    only: 'every runner may know',
  },
  {
    name: 'inbox-prune-past-floor',
    harm: 'what an outbox dropped lately counts for entries that were written before',
    edits: [
      {
        file: reach,
        find: 'new Date(writtenSinceMs - clockToleranceMs)',
        replace: 'new Date(nowMs)',
      },
    ],
    tests: inbox,
    only: 'while the outbox may still have it',
  },
  {
    name: 'inbox-floor-of-any-stream',
    harm: 'what stands in a stream that a group has just taken up is acknowledged unhandled',
    edits: [
      {
        file: 'packages/consumer/src/runner/forgotten.ts',
        find: 'floors.get(delivery.stream)?.get(source)',
        replace: '[...floors.values()].find((own) => own.has(source))?.get(source)',
      },
    ],
    tests: inbox,
    only: 'known by its position',
  },
  {
    name: 'prune-failure-untold',
    harm: 'a look that fails leaves the figures of the last one, and no alert can fire',
    edits: [
      {
        file: 'packages/publisher/src/pruning/observer.ts',
        find: "      last = 'failed';\n",
        replace: '',
      },
    ],
    tests: ['services/outbox-publisher/src/pruning.int.test.ts'],
    only: 'a look that fails',
  },
  {
    name: 'inbox-prune-failure-untold',
    harm: 'the same of an inbox',
    edits: [
      {
        file: 'packages/consumer/src/pruning/observer.ts',
        find: "      last = 'failed';\n",
        replace: '',
      },
    ],
    tests: ['services/consumer-runner/src/pruning.int.test.ts'],
    only: 'a look that fails',
  },
  {
    name: 'inbox-prune-stops-at-refusal',
    harm: 'a partition of another owner keeps all behind it',
    edits: [
      {
        file: 'packages/database/src/partitions.ts',
        find: 'if (!(error instanceof pg.DatabaseError)) throw error;',
        replace: 'if (error !== undefined) throw error;',
      },
    ],
    tests: inbox,
    only: 'keeps no other',
  },
];
