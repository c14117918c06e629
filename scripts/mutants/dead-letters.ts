import type { Mutation } from './mutation.ts';

const source = (name: string) => `services/dlq-mover/src/${name}.ts`;
const move = source('move');
const copies = source('copies');
const repair = source('repair');
const targets = source('targets');
const tests = [source('mover.int.test')];
const repairs = [source('repair.int.test')];
const oddEntries = [source('odd-entries.int.test')];

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
        find: 'vanished.length === 0 ? 0 : await mover.dropVanished(ref, vanished)',
        replace: 'vanished.length',
      },
    ],
    tests,
    only: 'deleted or trimmed while',
  },
  {
    name: 'lost-copies-stay-lost',
    harm: 'dead letters that Redis has lost are not written again',
    edits: [
      {
        file: repair,
        find: '    if (isSuspect || (isThorough && !isOdd && dead > 0)) await restoreCopies(parts, place, signal);\n',
        replace: '',
      },
    ],
    tests,
    only: 'of dead letters is restored',
  },
  {
    name: 'stray-copies-stay',
    harm: 'what stands among the dead letters without a letter is left there',
    edits: [
      {
        file: copies,
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
        find: '    if (isLost || isThorough) await findLostRedrives(parts, place, signal);\n',
        replace: '',
      },
    ],
    tests,
    only: 'of redrives is injected again',
  },
  {
    name: 'unrecordable-blocks-all',
    harm: 'an entry that no inbox can record keeps what waits behind dead letters of others waiting for ever',
    edits: [
      {
        file: 'packages/consumer/src/runner/blockers.ts',
        find: 'if (keys.length === 1) return [true];',
        replace: 'if (keys.length > 0) throw error;',
      },
    ],
    tests: ['packages/consumer/src/runner/hold.int.test.ts'],
    only: 'no inbox can record',
  },
  {
    name: 'replays-hold',
    harm: 'what failed in a replay keeps live events of its aggregate from being handled',
    edits: [
      {
        file: 'packages/inbox/src/dead-letters/blockers.ts',
        find: "d.replay_id = '' and ",
        replace: '',
      },
    ],
    tests: ['packages/consumer/src/runner/hold.int.test.ts'],
    only: 'failed in a replay',
  },
  {
    name: 'held-for-ever',
    harm: 'what waited behind a dead letter is never let go',
    edits: [
      {
        file: repair,
        find: '    for (const { group, letters } of await releaseHeld(inbox)) observer.released(group, letters);\n',
        replace: '',
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
  {
    name: 'one-failure-stops-all',
    harm: 'an entry that fails in a way that nobody foresaw keeps all behind it from being given up',
    edits: [
      {
        file: move,
        find: 'if (failuresInARow >= entriesAtATime || signal.aborted) return;',
        replace: 'if (failuresInARow > 0 || signal.aborted) return;',
      },
    ],
    tests: oddEntries,
    only: 'nobody foresaw',
  },
  {
    name: 'search-begins-anew',
    harm: 'entries that fail one after the other are tried again and again, and those behind them never',
    edits: [
      {
        file: move,
        find: '    if (failuresInARow >= entriesAtATime) search.cursor = lastTried;\n',
        replace: '',
      },
    ],
    tests: oddEntries,
    only: 'nobody foresaw',
  },
  {
    name: 'unfit-keys-stay-pending',
    harm: 'an entry whose own key PostgreSQL refuses is never given up',
    edits: [
      {
        file: source('give-up-entry'),
        find: 'if (!isUnstorable(error)) throw error;',
        replace: 'if (entry !== undefined) throw error;',
      },
    ],
    tests: oddEntries,
    only: 'foreign entries are given up',
  },
  {
    name: 'dead-under-another-key',
    harm: 'an event that the inbox refuses for a moment is given up under a made-up key, and may yet be handled',
    edits: [{ file: source('give-up-entry'), find: '/^(22|54)/', replace: '/^(22|23|54)/' }],
    tests: oddEntries,
    only: 'takes no rows of for now',
  },
  {
    name: 'many-fields-stay-pending',
    harm: 'an entry with more fields than a script can copy is never moved',
    edits: [
      {
        file: move,
        find: '    if (!(error instanceof CommandRejectedError)) throw error;\n    const',
        replace: '    if (reader !== undefined) throw error;\n    const',
      },
    ],
    tests: oddEntries,
    only: 'foreign entries are given up',
  },
  {
    name: 'long-texts-refused',
    harm: 'an entry whose texts are too long for an index is never given up',
    edits: [
      {
        file: 'packages/inbox/src/dead-letters/give-up.ts',
        find: 'stored.subarray(0, maxColumnBytes).toString()',
        replace: 'stored.toString()',
      },
    ],
    tests: oddEntries,
    only: 'foreign entries are given up',
  },
  {
    name: 'failure-records-believed',
    harm: 'what stands in a failure record is taken for what it should be',
    edits: [
      {
        file: 'packages/transport/src/redis/failure-records.ts',
        find: 'if (!Array.isArray(value)) return [];',
        replace: 'if (!Array.isArray(value)) return value as FailedAttempt[];',
      },
    ],
    tests: oddEntries,
    only: 'whatever the record',
  },
  {
    name: 'deleted-letters-stay-deleted',
    harm: 'the copy of a letter that is gone, all that is left of it, is deleted',
    edits: [
      { file: copies, find: 'if (entry !== undefined && (await', replace: 'if (now < 0 && entry && (await' },
    ],
    tests: repairs,
    only: 'that somebody deleted',
  },
  {
    name: 'redrives-in-hand-injected',
    harm: 'a redrive that is just being handled, and could not be noted as injected, is injected again',
    edits: [
      {
        file: 'packages/inbox/src/dead-letters/redriving.ts',
        find: '\n    for share of d skip locked`',
        replace: '`',
      },
    ],
    tests: repairs,
    only: 'that a handler has in hand',
  },
  {
    name: 'one-place-at-a-time',
    harm: 'a group with very much to give up keeps all others waiting',
    edits: [
      { file: source('sweep'), find: 'const placesAtATime = 4;', replace: 'const placesAtATime = 1;' },
      { file: move, find: 'const longestMs = 5_000;', replace: 'const longestMs = 500_000;' },
    ],
    tests: repairs,
    only: 'keeps no other waiting',
  },
];
