import type { Mutation } from './mutation.ts';

const states = 'packages/operations/src/audit/states.ts';
const control = 'packages/database/src/group-control.ts';
const registry = 'packages/database/src/registry.ts';
const runners = 'packages/database/src/group-runners.ts';
const runnersTests = ['packages/database/src/group-runners.int.test.ts'];
const stateTests = ['packages/operations/src/audit/states.test.ts'];
const controlTests = ['packages/database/src/group-control.int.test.ts'];

/** What lets an event end without anybody being told, or a group stop without anybody having done it. */
export const accountingMutations: readonly Mutation[] = [
  {
    name: 'missing-called-forgotten',
    harm: 'an event that is in no state passes for one that was trimmed on purpose',
    edits: [
      {
        file: states,
        find: "if (!evidence.isTrimmed) return 'missing';",
        replace: '',
      },
    ],
    tests: stateTests,
  },
  {
    name: 'trim-within-a-batch-unknown',
    harm: 'what was trimmed of a batch that stands in part passes for lost',
    edits: [
      {
        file: 'packages/operations/src/audit/examine.ts',
        find: 'return known.position !== null && position <= known.position && holds(batch, known.position);',
        replace: 'return false;',
      },
    ],
    tests: ['tests/accounting.test.ts'],
    only: 'in the midst of a batch',
  },
  {
    name: 'done-and-dead-accepted',
    harm: 'an event that was handled and is a dead letter counts as handled',
    edits: [
      {
        file: states,
        find: "return letter === null || letter === 'done' ? outcome : 'contradictory';",
        replace: 'return outcome;',
      },
    ],
    tests: stateTests,
  },
  {
    name: 'acknowledged-counts-as-waiting',
    harm: 'an event that was acknowledged and never handled counts as one that waits',
    edits: [
      {
        file: 'packages/operations/src/audit/entry-states.ts',
        find: "if (entry === undefined) return 'acknowledged';",
        replace: "if (entry === undefined) return 'in-flight';",
      },
    ],
    tests: ['tests/accounting.test.ts'],
    only: 'in no state',
  },
  {
    name: 'pending-first-page-only',
    harm: 'what stands behind the first page of a pending list is not listed',
    edits: [
      {
        file: 'packages/operations/src/pending.ts',
        find: 'if (after === null || page.length < pageSize) return;',
        replace: 'return;',
      },
    ],
    tests: ['packages/cli/src/commands/streams-and-groups.int.test.ts'],
    only: 'whole lists',
  },
  {
    name: 'pause-off-the-record',
    harm: 'a group is paused, and nobody knows by whom',
    edits: [
      {
        file: control,
        find: "    await recordAction(trx, { operator, action: 'pause', group, reason });\n",
        replace: '',
      },
    ],
    tests: controlTests,
  },
  {
    name: 'pause-without-lock',
    harm: 'of several who pause a group at a time each is told that it was them',
    edits: [{ file: control, find: ' for update`', replace: '`' }],
    tests: controlTests,
    only: 'many who pause',
  },
  {
    name: 'handlers-always-there',
    harm: 'a handler that came later counts as if it had been there from the beginning',
    edits: [
      {
        file: registry,
        find: 'coalesce(consumer_groups.handled_events->type, to_jsonb(clock_timestamp()))',
        replace: "coalesce(consumer_groups.handled_events->type, 'null'::jsonb)",
      },
    ],
    tests: ['packages/database/src/registry.int.test.ts'],
  },
  {
    name: 'topics-overwritten',
    harm: 'a runner of an older version that starts takes a topic from those of the newer one, which is trimmed unread',
    edits: [
      {
        file: registry,
        find: '        ...namedTopics(group.topics),\n',
        replace: "        topics: eb.ref('excluded.topics'),\n",
      },
    ],
    tests: runnersTests,
    only: 'two versions',
  },
  {
    name: 'topics-not-named-again',
    harm: 'a topic that a runner reads is given up, because it named it when it started and never since',
    edits: [{ file: runners, find: 'runnerSilenceMs / 6', replace: 'runnerSilenceMs * 1_000' }],
    tests: runnersTests,
    only: 'two versions',
  },
  {
    name: 'topics-never-given-up',
    harm: 'a topic that no runner reads any more is neither trimmed nor pruned, for ever',
    edits: [
      {
        file: runners,
        find: "(value #>> '{}')::timestamptz >=",
        replace: "'infinity'::timestamptz >=",
      },
    ],
    tests: runnersTests,
    only: 'two versions',
  },
  {
    name: 'beat-waits-for-the-group',
    harm: 'who holds the row of a group keeps its runners silent, and the others take them for dead',
    edits: [{ file: runners, find: ' skip locked', replace: '' }],
    tests: runnersTests,
    only: 'a beat does not wait',
  },
];
