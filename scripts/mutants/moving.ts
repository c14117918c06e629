import type { Mutation } from './mutation.ts';

const lua = (name: string) => `packages/transport/lua/${name}.lua`;
const tests = ['packages/transport/src/redis/redis.int.test.ts'];
const refusals = ['packages/transport/src/redis/refused-moves.int.test.ts'];
const oddEntries = ['packages/transport/src/redis/odd-entries.int.test.ts'];

/** What keeps entries from being lost or doubled where one script takes them from one place to another. */
export const movingMutations: readonly Mutation[] = [
  {
    name: 'acknowledge-by-entry-id',
    harm: 'an acknowledgement ends whatever event has the entry ID by now',
    edits: [
      {
        file: lua('acknowledge'),
        find: '  if newest_stand or stands(i) ~= false then',
        replace: '  if newest_stand or ARGV[i] then',
      },
    ],
    tests,
    only: 'acknowledging',
  },
  {
    name: 'acknowledge-without-a-look',
    harm: 'an acknowledgement takes for granted that the newest of its entries stand for their events',
    edits: [
      {
        file: lua('acknowledge'),
        find: 'newest_stand = newest_stand and stands(i)',
        replace: 'newest_stand = true',
      },
    ],
    tests,
    only: 'acknowledging',
  },
  {
    name: 'acknowledge-across-histories',
    harm: 'what was delivered before a failover vouches for what was delivered since',
    edits: [
      {
        file: 'packages/transport/src/redis/reader.ts',
        find: "performance.now() < comparesUntil ? '1' : '0'",
        replace: "performance.now() < comparesUntil ? '0' : '0'",
      },
    ],
    tests: ['packages/transport/src/redis/faults.int.test.ts'],
    only: 'went back in time',
  },
  {
    name: 'injected-entries-stay',
    harm: 'what was injected and handled is never deleted',
    edits: [
      {
        file: lua('acknowledge'),
        find: "if prefix ~= '' then redis.call('XDEL', stream, unpack(ids)) end\n",
        replace: '',
      },
    ],
    tests,
    only: 'injecting|what is injected',
  },
  {
    name: 'places-share-failures',
    harm: 'a failure of an injected entry is taken for that of the entry with its ID in the stream',
    edits: [
      {
        file: 'packages/transport/src/keys.ts',
        find: "return ref.injected === true ? 'inject:' : '';",
        replace: "return ref.injected === true ? '' : '';",
      },
    ],
    tests,
    only: 'kept apart',
  },
  {
    name: 'failure-of-another-event',
    harm: 'a failure is recorded of whatever event has the entry ID by now',
    edits: [
      {
        file: lua('record-failures'),
        find: '  if entry and is_of_event(entry[2], ARGV[i + 1]) then',
        replace: '  if entry then',
      },
    ],
    tests,
    only: 'failures',
  },
  {
    name: 'failures-cut-in-a-character',
    harm: 'a final failure whose text was cut within a character is not recognised, and its event handled for ever',
    edits: [
      {
        file: 'packages/transport/src/redis/failure-records.ts',
        find: 'value.toWellFormed()',
        replace: 'value',
      },
    ],
    tests,
    only: 'failures',
  },
  {
    name: 'deaths-counted-for-ever',
    harm: 'an event that failed keeps the deliveries of processes that died before',
    edits: [
      {
        file: lua('record-failures'),
        find: '    if pending[2] == consumer and pending[4] > 1 then',
        replace: '    if pending[2] == consumer and pending[4] < 0 then',
      },
    ],
    tests,
    only: 'failures',
  },
  {
    name: 'bystanders-counted',
    harm: 'what only waits beside an event that kills its process is counted with it',
    edits: [
      {
        file: lua('claim'),
        find: 'deliveries < 2 and deliveries + 1 or deliveries',
        replace: 'deliveries + 1',
      },
    ],
    tests,
    only: 'claiming',
  },
  {
    name: 'release-takes-off-uncounted',
    harm: 'handing back takes off a delivery that was not counted yet',
    edits: [
      {
        file: lua('release'),
        find: 'math.max(0, math.min(pending[4], ARGV[i + 1] - 1))',
        replace: 'math.max(0, pending[4] - 1)',
      },
    ],
    tests,
    only: 'handing back',
  },
  {
    name: 'exhausted-claimed-again',
    harm: 'an event that outlives its processes is claimed without end',
    edits: [
      {
        file: lua('claim'),
        find: '  elseif deliveries >= max_deliveries or failed_for_good(id, entry[2]) then',
        replace: '  elseif failed_for_good(id, entry[2]) then',
      },
    ],
    tests,
    only: 'claiming',
  },
  {
    name: 'given-up-first-page',
    harm: 'what stands behind the first page of a pending list is never found',
    edits: [
      {
        file: lua('given-up'),
        find: "return { #page == count and page[#page][1] or '', found }",
        replace: "return { '', found }",
      },
    ],
    tests,
    only: 'to be dead-lettered',
  },
  {
    name: 'dead-letter-of-another-event',
    harm: 'whatever event has the entry ID by now becomes the dead letter',
    edits: [
      {
        file: lua('dead-letter'),
        find: 'if not entry or not is_of_event(entry[2], event_id) then return false end',
        replace: 'if not entry then return false end',
      },
    ],
    tests,
    only: 'dead-lettering',
  },
  {
    name: 'dead-letter-not-pending',
    harm: 'an entry that was handled, or moved before, becomes a dead letter',
    edits: [
      {
        file: lua('dead-letter'),
        find: "if #redis.call('XPENDING', stream, group, id, id, 1) == 0 then return false end\n",
        replace: '',
      },
    ],
    tests,
    only: 'dead-lettering what comes from the stream',
  },
  {
    name: 'moves-past-full-memory',
    harm: 'dead letters are added though memory is used up',
    edits: [{ file: lua('dead-letter'), find: 'ask_to_add(letters)\n', replace: '' }],
    tests: refusals,
    only: 'declines for now',
  },
  {
    name: 'moves-halfway-without-a-right',
    harm: 'whether an entry may be acknowledged turns out after its copy was added',
    edits: [{ file: lua('dead-letter'), find: "redis.call('XACK', stream, group, '0-0')\n", replace: '' }],
    tests: refusals,
    only: 'right that is missing',
  },
  {
    name: 'injects-halfway-without-a-right',
    harm: 'whether a dead letter may be deleted turns out after its entry was injected',
    edits: [
      {
        file: lua('add-once'),
        find: "redis.call('XDEL', target, '0-0')\nredis.call('XDEL', taken, '0-0')\n",
        replace: '',
      },
    ],
    tests: refusals,
    only: 'right that is missing',
  },
  {
    name: 'injects-some-of-several',
    harm: 'what was added before an addition was refused stays',
    edits: [
      {
        file: lua('add-once'),
        find: "    for k = 1, n - 1 do redis.call('XDEL', target, ids[missing[k].place]) end\n",
        replace: '',
      },
    ],
    tests: refusals,
    only: 'entry IDs midway',
  },
  {
    name: 'injected-again-and-again',
    harm: 'what stands injected is added again by each repetition',
    edits: [{ file: lua('add-once'), find: '  if not stands(target, id, event_id) then', replace: '  do' }],
    tests,
    only: 'injecting|restoring',
  },
  {
    name: 'another-letter-taken',
    harm: 'a dead letter of another event is deleted in the place of the one that was injected',
    edits: [
      {
        file: lua('add-once'),
        find: '  if stands(taken, taken_id, event_id) then',
        replace: "  if taken_id ~= '' then",
      },
    ],
    tests,
    only: 'injecting',
  },
  {
    name: 'another-letter-forgotten',
    harm: 'a dead letter is deleted whose ID stands for another event by now',
    edits: [
      {
        file: lua('forget'),
        find: '  if entry and is_of_event(entry[2], ARGV[i + 1]) then',
        replace: '  if entry then',
      },
    ],
    tests,
    only: 'forgetting',
  },
  {
    name: 'living-name-removed',
    harm: 'the name of a consumer that was heard of lately is removed',
    edits: [
      {
        file: lua('remove-consumer'),
        find: 'idle < min_idle then return 0 end',
        replace: 'idle < 0 then return 0 end',
      },
    ],
    tests,
    only: 'removing consumers',
  },
  {
    name: 'bytes-compared-as-read',
    harm: 'an entry whose event ID is no text can never be acknowledged',
    edits: [
      {
        file: lua('include/entry'),
        find: "  return (string.gsub(event_id, '[\\128-\\255]+', '?'))\n",
        replace: '  return event_id\n',
      },
    ],
    tests: oddEntries,
  },
];
