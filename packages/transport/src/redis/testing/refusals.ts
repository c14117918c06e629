import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, freePort } from '@event-bus/testkit';
import type { FaultyServer } from './faulty-server.ts';

/** Something the server refuses until it is mended. */
export interface Refusal {
  readonly config?: Readonly<Record<string, string>>;
  begin(faulty: FaultyServer): Promise<unknown>;
  end(faulty: FaultyServer): Promise<unknown>;
}

/** By the code of the error. */
export const REFUSALS: Readonly<Record<string, Refusal>> = {
  OOM: {
    begin: ({ redis }) => redis.config('SET', 'maxmemory', '1'),
    end: ({ redis }) => redis.config('SET', 'maxmemory', '0'),
  },
  READONLY: {
    begin: async ({ redis }) => redis.replicaof('127.0.0.1', await freePort()),
    end: ({ redis }) => redis.replicaof('NO', 'ONE'),
  },
  NOREPLICAS: {
    begin: ({ redis }) => redis.config('SET', 'min-replicas-to-write', '1'),
    end: ({ redis }) => redis.config('SET', 'min-replicas-to-write', '0'),
  },
  MISCONF: {
    config: { save: '3600 1' },
    async begin({ redis, server }) {
      await mkdir(join(server.dir, 'dump.rdb'));
      await redis.bgsave();
      await eventually(async () => (await redis.info('persistence')).includes('rdb_last_bgsave_status:err'));
    },
    async end({ redis, server }) {
      await rmdir(join(server.dir, 'dump.rdb'));
      await redis.save();
    },
  },
  MASTERDOWN: {
    config: { 'replica-serve-stale-data': 'no' },
    begin: async ({ redis }) => redis.replicaof('127.0.0.1', await freePort()),
    end: ({ redis }) => redis.replicaof('NO', 'ONE'),
  },
};
