import { eventually, startProxy } from '@event-bus/testkit';
import { placeKey } from '@event-bus/transport';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { TestEntry } from './testing/handle-entry.ts';
import { createStage, type Stage } from './testing/stage.ts';

type Network = Awaited<ReturnType<typeof startProxy>>;

let stage: Stage;
let network: { readonly postgres: Network; readonly redis: Network };
beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
  network = {
    postgres: await startProxy(Number(new URL(stage.database.url).port)),
    redis: await startProxy(stage.redis.port),
  };
});
afterEach(async () => {
  await network.postgres.close();
  await network.redis.close();
  await stage.close();
});

/** What a mover sends at each step. */
const requests = {
  settling: ['postgres', 'insert into inbox_events'],
  moving: ['redis', "letter_id = redis.call('XADD', letters"],
  noting: ['postgres', 'set dlq_id = f.dlq_id'],
  adding: ['redis', "redis.pcall('XADD', target"],
  'noting what was injected': ['postgres', 'set inject_id = f.inject_id'],
} as const;

/** Lets a mover work until it sends this, and kills it then. The request arrives all the same, and is answered to nobody. */
async function killAt(step: keyof typeof requests): Promise<void> {
  const [server, text] = requests[step];
  const url = new URL(stage.database.url);
  url.port = String(network.postgres.port);
  const done = Promise.withResolvers<void>();
  let kill: (() => void) | undefined;
  const sent = network[server].swallowReply((request) => {
    if (kill === undefined || !request.includes(text)) return false;
    kill();
    return true;
  });
  const victim = await stage.spawn({
    DATABASE_URL: url.href,
    REDIS_URL: `redis://127.0.0.1:${network.redis.port}`,
  });
  kill = () => victim.kill('SIGKILL');
  void victim.exited.then(() => done.resolve());
  await done.promise;
  await sent;
}

const where = async ([{ fields }]: readonly [TestEntry]) => {
  const letter = (await stage.letters()).get(fields.event_id ?? '');
  return {
    inbox: (await stage.inbox()).get(fields.event_id ?? ''),
    letter: letter?.state,
    isNoted: letter?.dlqId !== null && letter !== undefined,
    copies: (await stage.copies()).length,
    pending: await stage.pending(),
  };
};

async function deliverOne(): Promise<readonly [TestEntry]> {
  const [entry] = await stage.deliver(1);
  if (entry === undefined) throw new Error('nothing was delivered');
  await stage.fail([entry]);
  return [entry];
}

const moved = { inbox: 'dead', letter: 'dead', isNoted: true, copies: 1, pending: 0 };

test.each([
  ['settling', { ...moved, isNoted: false, copies: 0, pending: 1 }],
  ['moving', { ...moved, isNoted: false }],
  ['noting', moved],
] as const)(
  'a mover that is killed while %s leaves nothing that another one does not finish',
  async (step, state) => {
    const entry = await deliverOne();

    await killAt(step);
    await eventually(async () => {
      expect(await where(entry)).toEqual(state);
      return true;
    });
    await stage.spawn();

    await eventually(async () => {
      expect(await where(entry)).toEqual(moved);
      return true;
    });
  },
);

describe('a mover that is killed while it repairs', () => {
  beforeEach(async () => {
    await deliverOne();
    const first = await stage.spawn();
    await eventually(async () => [...(await stage.letters()).values()].some(({ dlqId }) => dlqId !== null));
    await first.stop();
  });

  test.each(['adding', 'noting'] as const)('leaves one copy in the end, killed while %s', async (step) => {
    await stage.client.flushall();

    await killAt(step);
    await stage.spawn();

    await eventually(async () => {
      const [letter] = (await stage.letters()).values();
      const [copy, ...others] = await stage.streams.range('{events:user}:dlq:mail', '-', '+', 9);
      return others.length === 0 && copy !== undefined && copy.id === letter?.dlqId;
    });
  });

  test.each(['adding', 'noting what was injected'] as const)(
    'leaves a redrive injected and no copy, killed while %s',
    async (step) => {
      await stage.redriveAll();

      await killAt(step);
      await stage.spawn();

      const place = placeKey({ ...stage.ref, injected: true });
      await eventually(async () => {
        const { rows } = await sql<{ inject_id: string | null }>`select inject_id from dead_letters`.execute(
          stage.database.db,
        );
        const entries = await stage.streams.range(place, '-', '+', 9);
        return entries.some(({ id }) => id === rows[0]?.inject_id) && (await stage.copies()).length === 0;
      });
    },
  );
});
