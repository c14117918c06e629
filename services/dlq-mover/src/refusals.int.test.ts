import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createStage, type Stage } from './testing/stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'), { redis: { save: '3600 1000000' } });
});
afterEach(() => stage.close());

/** Why Redis refuses to write, until that ends. */
const refusals = {
  OOM: {
    begin: () => stage.client.config('SET', 'maxmemory', '1'),
    end: () => stage.client.config('SET', 'maxmemory', '0'),
  },
  READONLY: {
    // Nobody listens there, now or later.
    begin: () => stage.client.replicaof('127.0.0.1', 1),
    end: () => stage.client.replicaof('NO', 'ONE'),
  },
  MISCONF: {
    begin: async () => {
      await mkdir(join(stage.redis.dir, 'dump.rdb'));
      await stage.client.bgsave();
      await eventually(async () =>
        (await stage.client.info('persistence')).includes('rdb_last_bgsave_status:err'),
      );
    },
    end: async () => {
      await rmdir(join(stage.redis.dir, 'dump.rdb'));
      await stage.client.save();
    },
  },
} as const;

test('while Redis refuses to write, for whatever reason, nothing is lost, and everything is moved and redriven afterwards', async () => {
  const mover = await stage.spawn();
  let buried = 0;
  for (const [code, { begin, end }] of Object.entries(refusals)) {
    mover.kill('SIGSTOP');
    const entries = await stage.deliver(20);
    await stage.fail(entries);
    await begin();
    mover.kill('SIGCONT');
    await mover.waitFor(new RegExp(code));
    await end();
    buried += entries.length;

    await eventually(
      async () => {
        expect(await stage.pending()).toBe(0);
        expect(await stage.copies()).toHaveLength(buried);
        expect((await stage.account()).contradictions).toEqual([]);
        return true;
      },
      { message: `everything to be moved after ${code}` },
    );
  }

  await refusals.OOM.begin();
  await stage.redriveAll();
  await mover.waitFor(/not all dead letters could be compared/);
  await refusals.OOM.end();
  const taken = await stage.take(buried, { ...stage.ref, injected: true });
  expect(new Set(taken.map(({ fields }) => fields.event_id)).size).toBe(buried);
});
