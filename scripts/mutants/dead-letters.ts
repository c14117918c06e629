import type { Mutation } from './mutation.ts';

const move = 'services/dlq-mover/src/move.ts';
const repair = 'services/dlq-mover/src/repair.ts';
const targets = 'services/dlq-mover/src/targets.ts';
const tests = ['services/dlq-mover/src/mover.int.test.ts'];

const redrive = 'packages/operations/src/dead-letters/redrive.ts';
const redriveTests = ['tests/redrive.test.ts'];
const fileTests = ['tests/letter-files.test.ts'];

/** What keeps an event from being done and dead, twice dead, or neither. */
export const deadLetterMutations: readonly Mutation[] = [
  {
    name: 'dead-although-handled',
    harm: 'an event whose handler came first is moved to the dead letters all the same',
    edits: [
      {
        file: move,
        find: "    case 'settled':\n      await reader.acknowledge(ref, [name]);\n      return undefined;\n",
        replace: "    case 'settled':\n",
      },
      {
        file: move,
        find: 'const { mover, reader, observer } = moving;',
        replace: 'const { mover, observer } = moving;',
      },
    ],
    tests,
    only: 'whose runner died before it acknowledged',
  },
  {
    name: 'living-handlers-robbed',
    harm: 'an entry that was delivered often is moved, whoever holds it',
    edits: [{ file: move, find: 'minIdleMs: claimIdleMs,', replace: 'minIdleMs: claimIdleMs * 0,' }],
    tests,
    only: 'slow but living',
  },
  {
    name: 'first-page-of-pending-only',
    harm: 'what stands behind the first page of a pending list is never given up',
    edits: [{ file: move, find: 'cursor = page.cursor;', replace: 'cursor = null;' }],
    tests,
    only: 'ten thousand',
  },
  {
    name: 'vanished-entries-stay',
    harm: 'pending entries that stand in their stream no longer are left pending',
    edits: [
      {
        file: move,
        find: 'if (vanished.length > 0 && (await mover.dropVanished(ref, vanished)) > 0)',
        replace: 'if (vanished.length > 0)',
      },
    ],
    tests,
    only: 'deleted while it was pending',
  },
  {
    name: 'lost-copies-stay-lost',
    harm: 'dead letters that Redis has lost are not written again',
    edits: [{ file: repair, find: '    await restoreMissing(place);\n', replace: '' }],
    tests,
    only: 'of dead letters is restored',
  },
  {
    name: 'stray-copies-stay',
    harm: 'what stands among the dead letters without a letter is left there',
    edits: [
      {
        file: repair,
        find: 'strangers.map(({ dlqId, eventId }) => ({ id: dlqId, eventId })),',
        replace: '[],',
      },
    ],
    tests,
    only: 'by hand is put right',
  },
  {
    name: 'redrives-injected-once',
    harm: 'a redrive that Redis has lost is not injected again',
    edits: [
      {
        file: repair,
        find: '      if ((await mover.injectedCount({ group, stream })) < redriving) return true;\n',
        replace: '      void stream;\n',
      },
      {
        file: repair,
        find: 'const thoroughEveryMs = 30_000;',
        replace: 'const thoroughEveryMs = 3_000_000_000;',
      },
    ],
    tests,
    only: 'of redrives is injected again',
  },
  {
    name: 'held-for-ever',
    harm: 'what waited behind a dead letter is never let go',
    edits: [
      {
        file: repair,
        find: 'const released = await releaseHeld(inbox, group);',
        replace: "const released = await releaseHeld(inbox, 'not ' + group);",
      },
    ],
    tests,
    only: 'lets go what waited',
  },
  {
    name: 'strangers-given-up-by-count',
    harm: 'entries of groups that nobody registered are given up when they were delivered often',
    edits: [
      {
        file: targets,
        find: 'maxDeliveries: unlimited,',
        replace: 'maxDeliveries: unlimited - unlimited + 5,',
      },
    ],
    tests,
    only: 'that nobody registered',
  },
  {
    name: 'inboxes-of-others',
    harm: 'entries of groups whose inbox is in another database are given up here',
    edits: [
      {
        file: targets,
        find: '...registered.map(({ name }) => name)',
        replace: '...registered.map(() => "")',
      },
    ],
    tests,
    only: 'its inbox in another database',
  },
  {
    name: 'batches-not-followed',
    harm: 'the next batch of a redrive begins although one of the last has failed',
    edits: [
      {
        file: redrive,
        find: "if (request.stopOnFailure && progress.dead > 0) return 'stopped';",
        replace: "if (request.stopOnFailure && progress.dead < 0) return 'stopped';",
      },
    ],
    tests: redriveTests,
    only: 'each batch ends before',
  },
  {
    name: 'redrives-without-end',
    harm: 'what dies while a redrive is under way is taken up by it',
    edits: [
      {
        file: 'packages/inbox/src/dead-letters/selection.ts',
        find: 'sql`d.dead_at <= ',
        replace: 'sql`d.dead_at <> ',
      },
    ],
    tests: redriveTests,
    only: 'no letter that died after',
  },
  {
    name: 'redrive-at-once',
    harm: 'a redrive does not keep to its rate',
    edits: [
      {
        file: redrive,
        find: 'await delay(Math.max(0, dueMs)',
        replace: 'await delay(Math.min(0, dueMs)',
      },
    ],
    tests: redriveTests,
    only: 'keeps to its rate',
  },
  {
    name: 'redrives-under-way-forgotten',
    harm: 'a redrive that is run again does not follow what the killed one had handed over',
    edits: [
      {
        file: 'packages/inbox/src/dead-letters/redrive.ts',
        find: "inStates(['redriving'])} and",
        replace: "inStates(['redriving'])} and false and",
      },
    ],
    tests: redriveTests,
    only: 'finds on its way',
  },
  {
    name: 'discarded-before-kept',
    harm: 'letters are discarded before they are written to the file',
    edits: [
      {
        file: 'packages/operations/src/dead-letters/discard.ts',
        find: '    await keep(letters);\n',
        replace: '',
      },
      {
        file: 'packages/operations/src/dead-letters/discard.ts',
        find: '    onProgress?.(settled);\n',
        replace: '    await keep(letters);\n    onProgress?.(settled);\n',
      },
    ],
    tests: fileTests,
    only: 'killed behind its file',
  },
  {
    name: 'handled-brought-back',
    harm: 'an import makes a dead letter of an event that was handled',
    edits: [
      {
        file: 'packages/inbox/src/dead-letters/bring-back.ts',
        find: "gone.filter((letter) => outcomes.get(keyOf(letter)) === 'dead')",
        replace: 'gone.filter((letter) => outcomes.has(keyOf(letter)))',
      },
    ],
    tests: fileTests,
    only: 'handled since it was exported',
  },
];
