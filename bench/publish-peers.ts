import { join } from 'node:path';
import { eventually } from '@event-bus/testkit';
import { queryNumber } from './fill/database.ts';
import { measureProgram, runProgram } from './harness/measure.ts';
import type { Run, Stage, Variant } from './harness/question.ts';
import { packages } from './harness/software.ts';
import { withClient } from './harness/with-client.ts';
import { assertEntries } from './publish-entries.ts';

interface Peer {
  readonly name: string;
  readonly package: string;
  /** Of its programs in `peers/`. */
  readonly program: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly events: number;
}

/** Job queues with a job per event, and another outbox. The slower one is, the fewer events it gets. */
export const peers: readonly Variant[] = [
  jobQueue({
    name: 'graphile-worker, 10 jobs',
    package: 'graphile-worker',
    program: 'graphile',
    settings: { SETTINGS: 'default' },
    events: 10_000,
  }),
  jobQueue({
    name: 'graphile-worker, tuned',
    package: 'graphile-worker',
    program: 'graphile',
    settings: { SETTINGS: 'tuned' },
    events: 100_000,
  }),
  jobQueue({ name: 'pg-boss, tuned', package: 'pg-boss', program: 'pg-boss', events: 100_000 }),
  outbox('polling', 2_000),
  outbox('replication', 10_000),
];

/** Its jobs are added once, to a database that every run has a copy of. */
function jobQueue(peer: Peer): Variant {
  const template = `bench_publish_${peer.name.replaceAll(/\W+/g, '_')}`;
  return {
    name: peer.name,
    software: packages(peer.package),
    async prepare({ postgres, count }) {
      const { url } = await postgres.createDatabase(template);
      await fill(peer, url, count(peer.events));
      await withClient(url, (client) => client.query('vacuum analyze'));
    },
    run: async (stage) => drain(stage, peer, await stage.database(template)),
  };
}

/** A replication slot belongs to its database and is not copied with it: it is filled for each run. */
function outbox(listener: 'polling' | 'replication', events: number): Variant {
  const peer = {
    name: `pg-transactional-outbox, ${listener}`,
    package: 'pg-transactional-outbox',
    program: 'pg-transactional-outbox',
    settings: { LISTENER: listener },
    events,
  };
  return {
    name: peer.name,
    software: packages(peer.package),
    async run(stage) {
      const url = await stage.database('template0');
      try {
        await fill(peer, url, stage.count(events));
        return await drain(stage, peer, url);
      } finally {
        await dropReplicationSlots(url);
      }
    },
  };
}

function fill({ program, settings }: Peer, url: string, count: number): Promise<void> {
  return runProgram({
    entry: join(import.meta.dirname, 'peers', `fill-${program}.ts`),
    env: { DATABASE_URL: url, EVENTS: String(count), ...settings },
  });
}

async function drain(stage: Stage, { program, settings, events }: Peer, url: string): Promise<Run> {
  const count = stage.count(events);
  const run = await measureProgram(stage, {
    entry: join(import.meta.dirname, 'peers', `publish-${program}.ts`),
    env: { DATABASE_URL: url, REDIS_URL: stage.redis.url, EVENTS: String(count), ...settings },
    events: count,
  });
  await assertEntries(stage.redis.client(), count, { ordered: false });
  return run;
}

/** A database with a slot cannot be dropped, and a slot that is read cannot be. */
async function dropReplicationSlots(url: string): Promise<void> {
  const slots = 'from pg_replication_slots where database = current_database()';
  await eventually(async () => {
    await withClient(url, (client) =>
      client.query(`select pg_drop_replication_slot(slot_name) ${slots} and not active`),
    );
    return (await queryNumber(url, `select count(*) ${slots}`)) === 0;
  });
}
