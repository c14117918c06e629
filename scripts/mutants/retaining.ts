import type { Mutation } from './mutation.ts';

const script = 'packages/transport/lua/trim.lua';
const conformance = ['packages/transport/src/redis/redis.int.test.ts'];
const publisher = ['packages/publisher/src/trimmed.int.test.ts'];
const sweeps = ['services/retention-archiver/src/archiver.int.test.ts'];

/** What keeps a trim from taking what somebody needs, and a publisher from taking it for loss. */
export const retainingMutations: readonly Mutation[] = [
  {
    name: 'trim-past-pending',
    harm: 'a trim takes out entries that a group has not acknowledged',
    edits: [
      {
        file: script,
        find: 'or (oldest and at_most(oldest[1], up_to)) then',
        replace: 'then',
      },
    ],
    tests: conformance,
    only: 'takes out nothing while a group',
  },
  {
    name: 'trim-without-group',
    harm: 'a group that is not there does not hold back a trim',
    edits: [
      {
        file: script,
        find: 'if not delivered[ARGV[i]] then',
        replace: 'if false then',
      },
    ],
    tests: conformance,
    only: 'takes out nothing while a group',
  },
  {
    name: 'trim-past-newcomers',
    harm: 'a group that came when the archiver had read the registry loses what it has yet to read',
    edits: [
      {
        file: script,
        find: 'for group, delivered_id in pairs(delivered) do',
        replace: 'for i = 7, last_group do local group, delivered_id = ARGV[i], delivered[ARGV[i]]',
      },
    ],
    tests: conformance,
    only: 'of which the caller did not know',
  },
  {
    name: 'trim-without-anchor',
    harm: 'a trim takes out what stands under the IDs of what was archived',
    edits: [
      {
        file: script,
        find: 'and is_anchored(stream, ARGV[3], ARGV[4])) then',
        replace: ') then',
      },
    ],
    tests: conformance,
    only: 'that is not archived',
  },
  {
    name: 'trim-takes-marks',
    harm: 'the entry by which a publisher recognises the stream is trimmed',
    edits: [{ file: script, find: 'if id and at_most(id, up_to) then', replace: 'if false then' }],
    tests: conformance,
    only: 'what each source wrote last',
  },
  {
    name: 'trimmed-published-again',
    harm: 'a Redis that lost everything gets back what was trimmed',
    edits: [
      {
        file: 'packages/publisher/src/recovery.ts',
        find: 'const retention = await streams.retention(stream);',
        replace: "const retention = await streams.retention('another');",
      },
    ],
    tests: publisher,
    only: 'and nothing else',
  },
  {
    name: 'trimmed-by-entry-id',
    harm: 'an outbox of which nothing was trimmed takes what it lost for trimmed, since another was',
    edits: [
      {
        file: 'packages/publisher/src/trimmed.ts',
        find: 'if (last === null || trimmedTo === null) return 0;',
        replace: 'if (last === null || trimmedTo === null) return newest.number;',
      },
    ],
    tests: publisher,
    only: 'was trimmed',
  },
  {
    name: 'trimmed-by-copy',
    harm: 'what an unrecorded copy of a batch lacked is taken for trimmed with the copy, and lost with Redis',
    edits: [
      {
        file: 'packages/publisher/src/trimmed.ts',
        find: '({ lastId }) => compareEntryIds(lastId, trimmedTo) <= 0,',
        replace: '() => true,',
      },
    ],
    tests: publisher,
    only: 'beside a copy',
  },
  {
    name: 'entry-ids-reused',
    harm: 'after a loss a clock that was set back hands out the entry IDs of what is archived',
    edits: [
      {
        file: 'packages/transport/lua/restore-trim.lua',
        find: "if highest == '0-0' then return '0' end",
        replace: "if highest ~= '' then return '0' end",
      },
    ],
    tests: publisher,
    only: 'handed out twice',
  },
  {
    name: 'archived-by-id-alone',
    harm: 'what stands under the ID of an archived entry passes for it',
    edits: [
      {
        file: 'packages/transport/lua/include/anchor.lua',
        find: 'return entry ~= nil and is_of_event(entry[2], event_id)',
        replace: "return entry ~= nil and (event_id ~= '' or is_of_event(entry[2], event_id))",
      },
    ],
    tests: sweeps,
    only: 'hands out the IDs of archived entries',
  },
];
