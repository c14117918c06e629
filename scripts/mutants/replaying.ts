import type { Mutation } from './mutation.ts';

const script = 'packages/transport/lua/inject-replay.lua';
const injection = 'services/replayer/src/injection.ts';
const conformance = ['packages/transport/src/redis/redis.int.test.ts'];
const replays = ['services/replayer/src/replayer.int.test.ts'];
const histories = ['services/replayer/src/history.int.test.ts'];

/** What keeps a replay from leaving out, doubling and mixing up, and a group from beginning before its history. */
export const replayingMutations: readonly Mutation[] = [
  {
    name: 'replay-mark-stays',
    harm: 'what is injected and how far it is are not written together',
    edits: [
      {
        file: script,
        find: "redis.call('HSET', marks, replay, token .. ' ' .. to .. ' ' .. last)",
        replace: "redis.call('HSET', marks, replay, token .. ' ' .. at .. ' ' .. last)",
      },
    ],
    tests: conformance,
    only: 'replaying',
  },
  {
    name: 'replay-part-twice',
    harm: 'a part whose reply was lost is injected again',
    edits: [
      {
        file: script,
        find: 'if held ~= tonumber(token) or at ~= ARGV[3] or',
        replace: 'if held ~= tonumber(token) or',
      },
    ],
    tests: conformance,
    only: 'replaying',
  },
  {
    name: 'replay-token-unchecked',
    harm: 'a replayer that was replaced goes on injecting',
    edits: [
      {
        file: script,
        find: "if held and held > tonumber(token) then return { 'superseded', '', '' } end",
        replace: '',
      },
      { file: script, find: 'if held ~= tonumber(token) or', replace: 'if not held or' },
    ],
    tests: conformance,
    only: 'replaying',
  },
  {
    name: 'replay-without-limit',
    harm: 'a replay fills the memory while its group does not follow',
    edits: [
      {
        file: script,
        find: "if redis.call('XLEN', inject) >= tonumber(ARGV[5]) then",
        replace: 'if false then',
      },
    ],
    tests: conformance,
    only: 'replaying',
  },
  {
    name: 'replay-loss-unnoticed',
    harm: 'a replay goes on behind what was lost with its inject stream',
    edits: [
      {
        file: 'packages/transport/lua/include/replay.lua',
        find: "if last == '0-0' then return true end",
        replace: "if last ~= '' then return true end",
      },
    ],
    tests: conformance,
    only: 'replaying',
  },
  {
    name: 'replay-refusal-as-loss',
    harm: 'a right that is missing makes a replay begin again',
    edits: [
      {
        file: 'packages/transport/lua/include/replay.lua',
        find: "if string.find(info.err, 'no such key', 1, true) then return false end",
        replace: 'if info.err then return false end',
      },
    ],
    tests: ['packages/transport/src/redis/refused-replays.int.test.ts'],
    only: 'taken for a loss',
  },
  {
    name: 'seam-passed-once',
    harm: 'a reader that has come to the stream does not go back to the archive for what is trimmed before it',
    edits: [
      {
        file: 'packages/archive/src/read-history.ts',
        find: 'if (!reachesBack(status, place) &&',
        replace: 'if (place.after === range.after && !reachesBack(status, place) &&',
      },
    ],
    tests: ['packages/archive/src/read-history.int.test.ts'],
    only: 'overtakes',
  },
  {
    name: 'replay-settled-early',
    harm: 'what is injected passes for settled',
    edits: [
      {
        file: 'services/replayer/src/ahead.ts',
        find: '      injectedTo = batch.to;',
        replace: '      injectedTo = handledTo = batch.to;',
      },
    ],
    tests: replays,
    only: 'lost with its inject stream',
  },
  {
    name: 'replay-parts-an-id',
    harm: 'of two entries of one ID the second is left out',
    edits: [
      {
        file: 'services/replayer/src/batches.ts',
        find: 'if (isFull && entry.id !== to) {',
        replace: 'if (isFull) {',
      },
    ],
    tests: ['services/replayer/src/batches.test.ts'],
  },
  {
    name: 'replay-without-id',
    harm: 'handlers cannot tell a replay, and the inbox takes it for a duplicate',
    edits: [
      { file: injection, find: "kind === 'history' ? '' : id", replace: "kind === 'history' ? '' : ''" },
    ],
    tests: replays,
    only: 'brings archive and stream',
  },
  {
    name: 'history-as-replay',
    harm: 'what a group handles of its history does not count when it comes again',
    edits: [{ file: injection, find: "kind === 'history' ? '' : id", replace: 'id' }],
    tests: histories,
    only: 'handles all history',
  },
  {
    name: 'history-gate-open',
    harm: 'a group handles what is live before its history',
    edits: [
      {
        file: 'packages/consumer/src/runner/history.ts',
        find: 'holds: (stream) => left === undefined || left.has(stream),',
        replace: "holds: (stream) => stream === '',",
      },
    ],
    tests: histories,
    only: 'handles all history',
  },
];
