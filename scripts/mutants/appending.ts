import type { Mutation } from './mutation.ts';

const table = 'packages/database/migrations/0001-outbox.sql';
const trigger = 'packages/database/migrations/0021-insert-trigger.sql';
const draw = `  new.position := case
    when pg_catalog.pg_current_xact_id() is not null then pg_catalog.nextval('public.outbox_position')
  end;
`;

/** What keeps the log of a producer's transactions decidable and in order. */
export const appendingMutations: readonly Mutation[] = [
  {
    name: 'append-without-lock',
    harm: 'append does not hold the writers of an aggregate apart',
    edits: [
      {
        file: 'packages/outbox/src/outbox.ts',
        find: '        await lockAggregates(trx, encoded);\n',
        replace: '        if (encoded.length > 1_000) await lockAggregates(trx, encoded);\n',
      },
    ],
    tests: ['packages/outbox/src/outbox.int.test.ts'],
  },
  {
    name: 'position-before-xid',
    harm: 'the insert trigger draws the position before the transaction has an ID',
    edits: [
      {
        file: trigger,
        find: draw,
        replace:
          "  new.position := pg_catalog.nextval('public.outbox_position');\n  perform pg_catalog.pg_current_xact_id();\n",
      },
    ],
    tests: ['packages/outbox/src/position.int.test.ts'],
  },
  {
    name: 'position-by-default',
    harm: 'the position is a default of its column, drawn before the trigger runs',
    edits: [
      {
        file: table,
        find: '  position bigint not null,\n  event_id uuid not null default gen_random_uuid(),',
        replace:
          "  position bigint not null default nextval('public.outbox_position'),\n  event_id uuid not null default gen_random_uuid(),",
      },
      {
        file: trigger,
        find: draw,
        replace: '',
      },
    ],
    tests: ['packages/outbox/src/position.int.test.ts'],
  },
  {
    name: 'gap-closed-by-xmax',
    harm: "a gap carries the snapshot's xmax instead of a transaction ID of the reader's own",
    edits: [
      {
        file: 'packages/outbox/src/log/store.ts',
        find: 'returning pg_current_xact_id() as xid',
        replace: 'returning pg_snapshot_xmax(pg_current_snapshot()) as xid',
      },
    ],
    tests: ['packages/outbox/src/log/store.int.test.ts'],
  },
  {
    name: 'progress-without-epoch',
    harm: 'a publisher that was replaced goes on moving the cursor',
    edits: [
      {
        file: 'packages/outbox/src/log/store.ts',
        find: 'where epoch = $1 returning',
        replace: 'where $1::bigint is not null returning',
      },
    ],
    tests: ['packages/outbox/src/log/store.int.test.ts'],
  },
];
