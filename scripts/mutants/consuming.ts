import type { Mutation } from './mutation.ts';

const conformance = 'packages/transport/src/redis/redis.int.test.ts';
const groupRunner = 'packages/consumer/src/runner/group-runner.int.test.ts';
const orderedGroup = 'packages/consumer/src/runner/ordered-group.int.test.ts';
const runner = 'services/consumer-runner/src/runner.int.test.ts';
const eventDispatch = 'packages/consumer/src/event-dispatch.int.test.ts';
const batchDispatch = 'packages/consumer/src/batch-dispatch.int.test.ts';
const handling = 'packages/consumer/src/runner/handling.ts';
const passingOn = 'packages/consumer/src/passing-on.int.test.ts';
const session = 'packages/consumer/src/transaction/session.ts';

/** What keeps a runner from losing, doubling, disordering and blocking. */
export const consumingMutations: readonly Mutation[] = [
  {
    name: 'acknowledge-before-commit',
    harm: 'an entry is acknowledged when its handler starts',
    edits: [
      {
        file: handling,
        find: '    const works = open.map(toWork);\n',
        replace:
          '    const works = open.map(toWork);\n    for (const held of open) state.acknowledger.add(held.id, held);\n',
      },
    ],
    tests: [groupRunner],
  },
  {
    name: 'late-events-passed-over',
    harm: 'a group that starts now passes over what commits late, because its position is lower',
    edits: [
      {
        file: 'packages/database/src/start-position.ts',
        find: ' && !isIn(missing, wanted)',
        replace: ' && !isIn([], wanted)',
      },
    ],
    tests: [groupRunner],
    only: 'began now',
  },
  {
    name: 'duplicates-handled',
    harm: 'the handler runs although the inbox knows the event',
    edits: [
      {
        file: 'packages/inbox/src/handled.ts',
        find: '    return { isFresh: numAffectedRows === 1n };',
        replace: '    return { isFresh: numAffectedRows !== undefined };',
      },
    ],
    tests: [eventDispatch],
  },
  {
    name: 'ordered-duplicates-handled',
    harm: 'the handler of a group that keeps order runs although the inbox knows the event',
    edits: [
      {
        file: 'packages/inbox/src/handled.ts',
        find: 'isFresh: stored !== undefined,',
        replace: 'isFresh: true,',
      },
    ],
    tests: [eventDispatch],
  },
  {
    name: 'row-without-effect',
    harm: 'of two events of a batch that share an ID, both are recorded and one is handled',
    edits: [
      {
        file: 'packages/inbox/src/handled.ts',
        find: '  group by consumer_group, event_id, replay_id, occurred_at`;',
        replace: '  group by consumer_group, event_id, replay_id`;',
      },
    ],
    tests: [batchDispatch],
  },
  {
    name: 'unfit-event-retried',
    harm: 'an event that the inbox cannot hold passes for a database that is away, and is tried for ever',
    edits: [
      {
        file: 'packages/consumer/src/transaction/verdict.ts',
        find: "  if (error instanceof UnrecordableEventError) return { kind: 'unrecordable', error };\n",
        replace: '',
      },
    ],
    tests: ['packages/consumer/src/unfit-events.int.test.ts'],
  },
  {
    name: 'waiting-passed-over',
    harm: 'a connection is passed from event to event, and who waits for one never gets it',
    edits: [
      {
        file: session,
        find: 'const isOffered = pool.waitingCount === 0 && ',
        replace: 'const isOffered = ',
      },
    ],
    tests: [passingOn],
  },
  {
    name: 'former-commit-cancelled',
    harm: 'an event that is stopped cancels the COMMIT of the one whose connection it follows on',
    edits: [
      {
        file: session,
        find: '      if (last !== undefined) await Promise.allSettled([last]);\n',
        replace: '',
      },
    ],
    tests: [passingOn],
  },
  {
    name: 'passed-on-and-given-back',
    harm: 'a connection that was passed on goes back to the pool under the transaction that follows',
    edits: [
      {
        file: session,
        find: '      released = offer({ client, last: reply }, next);',
        replace: '      offer({ client, last: reply }, next);',
      },
    ],
    tests: [passingOn],
  },
  {
    name: 'commit-tag-unchecked',
    harm: 'a COMMIT that answered ROLLBACK counts as done',
    edits: [
      {
        file: 'packages/consumer/src/transaction/commit.ts',
        find: "  if (reply.value === 'COMMIT') return 'committed';",
        replace: "  if (reply.value !== '') return 'committed';",
      },
    ],
    tests: [eventDispatch],
  },
  {
    name: 'late-statements-allowed',
    harm: 'what a handler sends after it has ended is executed, outside of its transaction',
    edits: [
      {
        file: 'packages/consumer/src/transaction/gate.ts',
        find: '    if (closed !== undefined) throw new TransactionEndedError(closed);\n',
        replace: '',
      },
    ],
    tests: [eventDispatch],
  },
  {
    name: 'outdated-plan-kept',
    harm: 'a statement that was planned before its table changed fails for ever',
    edits: [
      {
        file: 'packages/consumer/src/transaction/gate.ts',
        find: '      if (mayBeOutdated(error)) forgetStatementName(query.sql);\n',
        replace: '',
      },
    ],
    tests: [eventDispatch],
    only: 'table that changes',
  },
  {
    name: 'transaction-control-allowed',
    harm: 'a handler of a batch may commit or set what its neighbours work in',
    edits: [
      {
        file: 'packages/consumer/src/transaction/gate.ts',
        find: '    assertStatementAllowed(query.sql, mode);\n',
        replace: '    if (query.sql.length === 0) assertStatementAllowed(query.sql, mode);\n',
      },
    ],
    tests: ['packages/consumer/src/transaction/refused-statements.int.test.ts'],
  },
  {
    name: 'batch-fails-whole',
    harm: 'one failing event costs its whole batch an attempt',
    edits: [
      {
        file: 'packages/consumer/src/dispatcher.ts',
        find: `(alone ? undefined : await handleBatch(batch, signal, progress)) ??
      (await handleOneByOne(batch, signal));`,
        replace: `(alone ? await handleOneByOne(batch, signal) : await handleBatch(batch, signal, progress)) ??
      batch.map((): Settlement => ({ kind: 'failed', counted: true, reason: 'error', error: new Error('its batch failed'), delayMs: 0 }));`,
      },
    ],
    tests: [batchDispatch],
  },
  {
    name: 'retry-at-once',
    harm: 'a failed event is tried again without waiting',
    edits: [
      {
        file: 'packages/consumer/src/runner/settling.ts',
        find: '    return performance.now() + failure.delayMs;\n',
        replace: '    return performance.now();\n',
      },
    ],
    tests: [groupRunner],
    only: 'retries a failed event',
  },
  {
    name: 'retry-blocks-all',
    harm: 'an event that waits for its retry holds back other aggregates',
    edits: [
      {
        file: 'packages/consumer/src/runner/held.ts',
        find: '    key: ordered ? lane : id,',
        replace: '    key: ordered || !ordered ? stream : lane,',
      },
    ],
    tests: [groupRunner, orderedGroup],
    only: 'retries a failed event|across retries',
  },
  {
    name: 'retry-overtaken',
    harm: 'in an ordered group an event that waits for its retry is overtaken by later ones of its aggregate',
    edits: [
      {
        file: 'packages/consumer/src/runner/held.ts',
        find: '    key: ordered ? lane : id,',
        replace: "    key: ordered && id === '' ? lane : id,",
      },
    ],
    tests: [orderedGroup],
    only: 'across retries',
  },
  {
    name: 'keepalive-for-running-only',
    harm: 'what waits in lanes is not kept claimed',
    edits: [
      {
        file: 'packages/consumer/src/runner/keepalive.ts',
        find: '    ...lanes.held(),\n',
        replace: '    ...lanes.held().filter(({ id }) => !lanes.isWaiting(id)),\n',
      },
    ],
    tests: [groupRunner],
    only: 'keeps claimed',
  },
  {
    name: 'keepalive-steals',
    harm: 'keeping an entry claimed steals it back from whoever has taken it over',
    edits: [
      {
        file: 'packages/transport/lua/keep.lua',
        find: "  if #redis.call('XPENDING', stream, group, id, id, 1, consumer) == 1 then",
        replace: "  if #redis.call('XPENDING', stream, group, id, id, 1) == 1 then",
      },
    ],
    tests: [conformance],
  },
  {
    name: 'blind-delconsumer',
    harm: "a consumer's name is removed together with what is pending under it",
    edits: [
      {
        file: 'packages/transport/lua/remove-consumer.lua',
        find: "if #redis.call('XPENDING', stream, group, '-', '+', 1, consumer) > 0 then",
        replace: 'if false then',
      },
    ],
    tests: [conformance],
  },
  {
    name: 'release-burns-a-delivery',
    harm: 'an entry that is handed back counts as delivered',
    edits: [
      {
        file: 'packages/transport/lua/release.lua',
        find: '    local deliveries = math.max(0, math.min(pending[4], ARGV[i + 1] - 1))\n',
        replace: '    local deliveries = pending[4]\n',
      },
    ],
    tests: [conformance],
  },
  {
    name: 'given-up-claimed-again',
    harm: 'an event whose attempts are used up is claimed and handled again',
    edits: [
      {
        file: 'packages/transport/lua/claim.lua',
        find: '  return record and record.final == true\n',
        replace: '  return false\n',
      },
    ],
    tests: [conformance],
  },
  {
    name: 'duplicates-one-by-one',
    harm: 'a stream that is read again is gone through with a transaction per duplicate',
    edits: [
      {
        file: 'packages/consumer/src/runner/settling.ts',
        find: '            duplicates.suspect(held.delivery.stream);\n',
        replace: '',
      },
    ],
    tests: ['packages/consumer/src/runner/known-duplicates.int.test.ts'],
  },
  {
    name: 'suspicion-suffices',
    harm: 'what is read beside a duplicate is acknowledged with it, unhandled',
    edits: [
      {
        file: 'packages/consumer/src/runner/known-duplicates.ts',
        find: '      return deliveries.filter((delivery) => !settled.has(delivery));',
        replace:
          '      return deliveries.filter(({ stream }) => settled.size === 0 || !suspected.has(stream));',
      },
    ],
    tests: ['packages/consumer/src/runner/known-duplicates.int.test.ts'],
  },
  {
    name: 'group-at-the-end',
    harm: 'a group that is gone is created again at the end of its stream',
    edits: [
      {
        file: 'packages/consumer/src/runner/reclaim.ts',
        find: "state.reader.ensureGroup(feed, '0')",
        replace: "state.reader.ensureGroup(feed, '$')",
      },
      {
        file: 'packages/transport/src/redis/reader.ts',
        find: '      if (!/^\\d+(-\\d+)?$/.test(startId)) {',
        replace: "      if (startId === '') {",
      },
    ],
    tests: [runner],
    only: 'forgets everything',
  },
  {
    name: 'spoilt-stream-stops-all',
    harm: 'a stream that became something else keeps all others of its group from being read',
    edits: [
      {
        file: 'packages/consumer/src/runner/reading.ts',
        find: 'if (error instanceof GroupMissingError || error instanceof CommandRejectedError)',
        replace: 'if (error instanceof GroupMissingError || CommandRejectedError === undefined)',
      },
    ],
    tests: ['packages/consumer/src/runner/spoilt-redis.int.test.ts'],
    only: 'became something else',
  },
  {
    name: 'reads-as-large-as-ever',
    harm: 'a read that a slow link cannot carry in time is repeated as it was',
    edits: [
      {
        file: 'packages/consumer/src/runner/reading.ts',
        find: 'const most = Math.min(room, portion.entries());',
        replace: 'const most = Math.min(room, 1 / portion.entries() + 200);',
      },
    ],
    tests: ['packages/consumer/src/runner/slow-link.int.test.ts'],
  },
  {
    name: 'claims-as-large-as-ever',
    harm: 'a claim that a slow link cannot carry in time is repeated as it was',
    edits: [
      {
        file: 'packages/transport/lua/claim.lua',
        find: '  if bytes > enough_bytes then\n    cursor = id\n    break\n  end\n',
        replace: '',
      },
    ],
    tests: ['packages/consumer/src/runner/slow-link.int.test.ts'],
  },
  {
    name: 'consumer-left-behind',
    harm: 'a runner that stops keeps what it holds to itself',
    edits: [
      {
        file: 'packages/consumer/src/runner/hand-back.ts',
        find: '      await releaseEntries(state, feed, chunk);\n',
        replace: '      if (chunk.length === 0) await releaseEntries(state, feed, chunk);\n',
      },
    ],
    tests: [groupRunner],
    only: 'hands back|hands that back',
  },
  {
    name: 'held-without-bound-in-bytes',
    harm: 'a runner holds as many large events as small ones',
    edits: [
      {
        file: 'packages/consumer/src/runner/room.ts',
        find: 'return bytes === 0 ?',
        replace: 'return bytes >= 0 ?',
      },
    ],
    tests: ['packages/consumer/src/runner/holding.int.test.ts'],
    only: 'no more bytes',
  },
];
