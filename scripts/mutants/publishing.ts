import type { Mutation } from './mutation.ts';

const appendScript = 'packages/transport/lua/append.lua';
const logReader = 'packages/publisher/src/log-reader.ts';
const conformance = 'packages/transport/src/redis/redis.int.test.ts';
const recovery = 'packages/publisher/src/recovery.int.test.ts';

/** What keeps a publisher from skipping, repeating and disordering. */
export const publishingMutations: readonly Mutation[] = [
  {
    name: 'append-without-compare',
    harm: 'a batch is written whatever stands in the stream',
    edits: [
      {
        file: appendScript,
        find: "if (marked_event or '') ~= expected or (must_be_present == '1' and marked_id and not present) then",
        replace: 'if false then',
      },
    ],
    tests: [conformance],
  },
  {
    name: 'append-without-presence',
    harm: 'the mark is compared, but not whether its entry still stands in the stream',
    edits: [
      { file: appendScript, find: " or (must_be_present == '1' and marked_id and not present)", replace: '' },
    ],
    tests: [conformance],
  },
  {
    name: 'append-by-entry-id',
    harm: 'an entry is recognised by its ID alone, which may have been handed to another event',
    edits: [
      {
        file: appendScript,
        find: "return found[1][2][1] == 'event_id' and found[1][2][2] == event_id",
        replace: 'return true',
      },
    ],
    tests: [conformance],
  },
  {
    name: 'mark-not-written',
    harm: 'a batch does not leave its mark',
    edits: [
      {
        file: appendScript,
        find: "redis.call('HSET', writers, source, last .. ' ' .. ARGV[#ARGV - 13])\n",
        replace: '',
      },
    ],
    tests: [conformance],
  },
  {
    name: 'mark-not-written-first',
    harm: 'whether the mark may be written turns out after the entries',
    edits: [{ file: appendScript, find: "redis.call('HSET', writers, source, mark)\n", replace: '' }],
    tests: ['packages/transport/src/redis/refusals.int.test.ts'],
  },
  {
    name: 'publisher-resends',
    harm: 'a command whose reply was lost is sent again by the client',
    edits: [
      {
        file: 'packages/transport/src/redis/connection.ts',
        find: 'maxRetriesPerRequest: 0,',
        replace: 'maxRetriesPerRequest: 20,',
      },
    ],
    tests: ['packages/transport/src/redis/faults.int.test.ts'],
  },
  {
    name: 'gaps-not-looked-at-after-page',
    harm: 'the gaps are looked at before the page is read, in an older snapshot',
    edits: [
      {
        file: logReader,
        find: `    this.#page ??= await this.#readPage();
    const page = this.#page;
    const { rows: filled, closed, complete } = await this.#lookAtGaps();
`,
        replace: `    const { rows: filled, closed, complete } = await this.#lookAtGaps();
    this.#page ??= await this.#readPage();
    const page = this.#page;
`,
      },
    ],
    tests: ['packages/publisher/src/publisher.int.test.ts', 'packages/publisher/src/log-reader.int.test.ts'],
  },
  {
    name: 'gaps-never-noted',
    harm: 'the publisher reads what lies above its cursor, and nothing else',
    edits: [
      { file: logReader, find: '    for (const range of noted) this.#gaps.note(range);\n', replace: '' },
      { file: logReader, find: '    this.#noted.push(...noted);\n', replace: '' },
    ],
    tests: ['packages/publisher/src/publisher.int.test.ts'],
    only: 'commits late|rolled back is closed',
  },
  {
    name: 'sweep-without-reconcile',
    harm: 'a stream that nobody writes to is looked at, and nothing is done about it',
    edits: [
      {
        file: 'packages/publisher/src/sweep.ts',
        find: '  if (suspects.length > 0) await recoverStreams(leader, suspects);\n',
        replace: '  if (suspects.length > 1_000) await recoverStreams(leader, suspects);\n',
      },
    ],
    tests: [recovery],
    only: 'is flushed',
  },
  {
    name: 'reconcile-writes-everything',
    harm: 'all that was ever written is written again',
    edits: [
      {
        file: 'packages/publisher/src/reconcile.ts',
        find: '  let standing = await lastSurvivor(pool, writer, state.newest, trimmed);\n',
        replace:
          '  let standing = await lastSurvivor(pool, writer, { ...state.newest, number: -1 }, trimmed);\n',
      },
      {
        file: 'packages/publisher/src/rewrite.ts',
        find: 'const missing = own.filter((row) => row === last || !survived.has(row.eventId));',
        replace: 'const missing = survived.size < 0 ? [] : own;',
      },
    ],
    tests: [recovery],
    only: 'exactly what it lost|writes nothing again',
  },
  {
    name: 'reconcile-whole-batches',
    harm: 'what survived of a lost batch is written again',
    edits: [
      {
        file: 'packages/publisher/src/rewrite.ts',
        find: 'const missing = own.filter((row) => row === last || !survived.has(row.eventId));',
        replace: 'const missing = survived.size < 0 ? [] : own;',
      },
    ],
    tests: [recovery],
    only: 'exactly what it lost|writes nothing again',
  },
  {
    name: 'reconcile-finished-early',
    harm: 'the first batch written again counts as the newest, and the rest passes for written',
    edits: [
      {
        file: 'packages/publisher/src/reconcile.ts',
        find: '    standing = rewritten.moved.at(-1) ?? standing;\n',
        replace: '    standing = rewritten.moved.at(-1) ?? standing;\n    state.newest = standing;\n',
      },
    ],
    tests: ['packages/publisher/src/reconcile.int.test.ts'],
  },
  {
    name: 'parked-holds-nobody-back',
    harm: 'later events of an aggregate overtake the one that is parked',
    edits: [
      {
        file: 'packages/publisher/src/parking.ts',
        find: '    const blocker = this.#blockers.get(keyOf(row));\n',
        replace: '    const blocker = undefined as string | undefined;\n',
      },
    ],
    tests: ['packages/publisher/src/publisher.int.test.ts'],
    only: 'parked|parks',
  },
  {
    name: 'parked-for-ever',
    harm: 'a parked event whose row has left the log stays asked for, and is looked for again and again',
    edits: [
      {
        file: 'packages/publisher/src/retry-parked.ts',
        find: '  batch.unparked = [...batch.unparked, ...gone.map(({ position }) => position)];\n',
        replace: '  if (rows.length === 0) return false;\n',
      },
    ],
    tests: ['packages/publisher/src/publisher.int.test.ts'],
    only: 'parked',
  },
  {
    name: 'positions-drawn-twice',
    harm: 'events whose positions were drawn twice, because the sequence was set back, are passed over and called published',
    edits: [
      {
        file: 'packages/outbox/src/log/lead.ts',
        find: '  await assertPositionsAreUnique(pool, position);\n',
        replace: '  if (position < 0) await assertPositionsAreUnique(pool, position);\n',
      },
    ],
    tests: ['packages/publisher/src/reused-positions.int.test.ts'],
  },
  {
    name: 'attach-with-scan',
    harm: 'partitions are attached although PostgreSQL has to scan a default partition full of rows for it',
    edits: [
      {
        file: 'packages/database/migrations/0011-partitions-beside-rows.sql',
        find: '  is_small boolean := bus_is_small(rest);\n',
        replace: '  is_small boolean := true;\n',
      },
    ],
    tests: ['packages/database/src/partitions.int.test.ts'],
  },
  {
    name: 'tomorrow-guarded',
    harm: 'who dies while partitions are made leaves producers a constraint that refuses their events tomorrow',
    edits: [
      {
        file: 'packages/database/migrations/0011-partitions-beside-rows.sql',
        find: 'generate_series(2, days)',
        replace: 'generate_series(1, days)',
      },
    ],
    tests: ['packages/database/src/partitions.int.test.ts'],
  },
  {
    name: 'lead-without-backoff',
    harm: 'to lead counts as success, so what fails every leader is tried again without a pause',
    edits: [
      {
        file: 'packages/publisher/src/publisher.ts',
        find: '            lead(options, observer, session, drain, abort),\n',
        replace:
          '            lead(options, observer, session, drain, abort).finally(() => {\n              failures = 0;\n            }),\n',
      },
    ],
    tests: ['packages/publisher/src/publisher.int.test.ts'],
    only: 'ever more slowly',
  },
  {
    name: 'pages-without-bytes',
    harm: 'a page has as many rows as ever, however large they are',
    edits: [
      {
        file: 'packages/outbox/src/log/pages.ts',
        find: 'values: [after, limits.pageSize, limits.pageBytes],',
        replace: 'values: [after, limits.pageSize, 1_000_000_000],',
      },
    ],
    tests: ['packages/publisher/src/slow-link.int.test.ts'],
  },
  {
    name: 'cut-gaps-closed',
    harm: 'what did not fit into a look at the gaps passes for what is not there',
    edits: [
      {
        file: logReader,
        find: 'this.#gaps.observe(due, snapshot, rows, !isFull), complete: !isFull }',
        replace: 'this.#gaps.observe(due, snapshot, rows, rows.length < 500), complete: rows.length < 500 }',
      },
    ],
    tests: ['packages/publisher/src/publisher.int.test.ts'],
    only: 'fills one large gap',
  },
];
