import type { Redis } from 'ioredis';
import { boundedIdleMs } from '../entry-id.ts';
import { derivedKeys, failurePrefix, keyTypes, placeKey } from '../keys.ts';
import type { GroupRef, GroupStatus, PendingEntry, StreamObserver } from '../transport.ts';
import type { Connection } from './connection.ts';
import { pairs, type RawEntry, type RawInfo, toEntries } from './entries.ts';
import { parseFailure } from './failure-records.ts';
import { marksOf, TRIMMED } from './marks.ts';
import { isStreamMissing } from './replies.ts';
import type { RunScript } from './scripts.ts';
import { readInfo } from './server-info.ts';

type Pending = [id: string, consumer: string, idleMs: number, deliveries: number];

/** The read-only side. `follow` blocks `blocking`, so everything else goes through `commands`; it closes both. */
export function createRedisObserver(
  commands: Connection,
  blocking: Connection,
  run: RunScript,
): StreamObserver {
  async function countFailed(redis: Redis, ref: GroupRef): Promise<number> {
    let failed = 0;
    let cursor = '0';
    do {
      const keys = [derivedKeys.failures(ref.stream, ref.group)];
      const found = await run<[string, number]>(redis, 'count-failed', keys, [cursor, failurePrefix(ref)]);
      cursor = found[0];
      failed += found[1];
    } while (cursor !== '0');
    return failed;
  }

  async function groupStatus(redis: Redis, ref: GroupRef, info: RawInfo): Promise<GroupStatus> {
    const { pending, lag, 'last-delivered-id': lastDeliveredId } = pairs(info);
    const key = placeKey(ref);
    const [consumers, [oldest], [seconds], failed] = await Promise.all([
      redis.xinfo('CONSUMERS', key, ref.group) as Promise<RawInfo[]>,
      redis.xpending(key, ref.group, '-', '+', 1) as Promise<Pending[]>,
      redis.time(),
      countFailed(redis, ref),
    ]);
    return {
      ...ref,
      pending: Number(pending),
      // Servers before 7.0 do not report it, and later ones not after entries were deleted.
      lag: lag === undefined || lag === null ? null : Number(lag),
      lastDeliveredId: String(lastDeliveredId),
      oldestPendingId: oldest?.[0] ?? null,
      oldestPendingIdleMs:
        oldest === undefined ? null : boundedIdleMs(oldest[0], oldest[2], Number(seconds) * 1000),
      consumers: consumers.map((consumer) => {
        const { name: consumerName, pending: held, idle } = pairs(consumer);
        return { name: String(consumerName), pending: Number(held), idleMs: Number(idle) };
      }),
      failed,
    };
  }

  /** The groups of a key. Fails if there is no such key. */
  async function groupInfos(redis: Redis, key: string): Promise<Map<string, RawInfo>> {
    const infos = (await redis.xinfo('GROUPS', key)) as RawInfo[];
    return new Map(infos.map((info) => [String(pairs(info).name), info]));
  }

  /** The groups of a key, or none if there is no such key. */
  async function infosOf(key: string): Promise<Map<string, RawInfo>> {
    try {
      return await commands.call((redis) => groupInfos(redis, key));
    } catch (error) {
      if (isStreamMissing(error)) return new Map();
      throw error;
    }
  }

  return {
    stream(stream) {
      return commands.call(async (redis) => {
        const [exists, length, first, last, writers] = await Promise.all([
          redis.exists(stream),
          redis.xlen(stream),
          redis.xrange(stream, '-', '+', 'COUNT', 1),
          redis.xrevrange(stream, '+', '-', 'COUNT', 1),
          redis.hgetall(derivedKeys.writers(stream)),
        ]);
        return {
          stream,
          exists: exists === 1,
          length,
          firstId: first[0]?.[0] ?? null,
          lastId: last[0]?.[0] ?? null,
          writers: marksOf(writers),
          trimmedTo: writers[TRIMMED] ?? null,
        };
      });
    },

    async groups(stream) {
      try {
        return await commands.call(async (redis) => {
          const infos = await groupInfos(redis, stream);
          return Promise.all([...infos].map(([group, info]) => groupStatus(redis, { stream, group }, info)));
        });
      } catch (error) {
        if (isStreamMissing(error)) return [];
        throw error;
      }
    },

    async groupNames(stream) {
      return [...(await infosOf(stream)).keys()];
    },

    async progress(ref) {
      const key = placeKey(ref);
      const info = (await infosOf(key)).get(ref.group);
      if (info === undefined) return null;
      const [oldest] = await commands.call(
        (redis) => redis.xpending(key, ref.group, '-', '+', 1) as Promise<Pending[]>,
        { scope: { group: ref.group, streams: [key] } },
      );
      return {
        lastDeliveredId: String(pairs(info)['last-delivered-id']),
        oldestPendingId: oldest?.[0] ?? null,
      };
    },

    async injected(stream, group) {
      const ref: GroupRef = { stream, group, injected: true };
      try {
        return await commands.call(async (redis) => {
          const info = (await groupInfos(redis, placeKey(ref))).get(group);
          return info === undefined ? null : groupStatus(redis, ref, info);
        });
      } catch (error) {
        if (isStreamMissing(error)) return null;
        throw error;
      }
    },

    async oddKeys(stream) {
      return commands.call(async (redis) => {
        const isStream = (await redis.type(stream)) === 'stream';
        const groups = isStream ? [...(await groupInfos(redis, stream)).keys()] : [];
        const keys = [...keyTypes(stream, groups)];
        const types = await Promise.all(keys.map(([key]) => redis.type(key)));
        return keys
          .map(([key, shouldBe], index) => ({ key, is: types[index] ?? 'none', shouldBe }))
          .filter(({ is, shouldBe }) => is !== 'none' && is !== shouldBe);
      });
    },

    async pending(ref, after, count) {
      const key = placeKey(ref);
      return commands.call(
        async (redis) => {
          const from = after === null ? '-' : `(${after}`;
          const page = (await redis.xpending(key, ref.group, from, '+', count)) as Pending[];
          if (page.length === 0) return [];
          const prefix = failurePrefix(ref);
          const [[seconds], failures, entries] = await Promise.all([
            redis.time(),
            redis.hmget(derivedKeys.failures(ref.stream, ref.group), ...page.map(([id]) => prefix + id)),
            Promise.all(page.map(([id]) => redis.xrange(key, id, id))),
          ]);
          return page.map(([id, consumer, idle, deliveries], index): PendingEntry => {
            const fields = toEntries(entries[index] ?? null)[0]?.fields ?? null;
            const failure = parseFailure(failures[index] ?? null);
            const isOfThisEvent = failure?.eventId === (fields?.event_id ?? '');
            const idleMs = boundedIdleMs(id, idle, Number(seconds) * 1000);
            return { id, consumer, idleMs, deliveries, failure: isOfThisEvent ? failure : null, fields };
          });
        },
        { scope: { group: ref.group, streams: [key] } },
      );
    },

    async range(stream, from, to, count) {
      return toEntries(await commands.call((redis) => redis.xrange(stream, from, to, 'COUNT', count)));
    },

    async newest(stream, count, before) {
      const from = before === undefined ? '+' : `(${before}`;
      const entries = await commands.call((redis) => redis.xrevrange(stream, from, '-', 'COUNT', count));
      return toEntries(entries).reverse();
    },

    async follow(stream, afterId, blockMs) {
      // BLOCK 0 would be for ever.
      const block = blockMs > 0 ? ['BLOCK', Math.ceil(blockMs)] : [];
      const args = ['COUNT', 1000, ...block, 'STREAMS', stream, afterId];
      const reply = await blocking.call(
        (redis) => redis.call('XREAD', args) as Promise<[string, RawEntry[]][] | null>,
        { blockMs: Math.max(0, blockMs) },
      );
      return toEntries(reply?.[0]?.[1] ?? null);
    },

    async server() {
      const info = await commands.call((redis) => redis.info('server'));
      const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
      const valkey = value('valkey_version');
      return valkey === undefined
        ? `Redis ${value('redis_version') ?? '(unknown version)'}`
        : `Valkey ${valkey}`;
    },

    async figures() {
      const facts = await commands.call((redis) => readInfo(redis, ['memory', 'stats', 'replication']));
      const number = (name: string) => Number(facts.get(name) ?? 0);
      const replicas = [...facts]
        .filter(([name]) => /^slave\d+$/.test(name))
        .map(([, value]) => new Map(value.split(',').map((fact) => fact.split('=') as [string, string])));
      return {
        usedMemoryBytes: number('used_memory'),
        maxMemoryBytes: number('maxmemory') || null,
        opsPerSecond: number('instantaneous_ops_per_sec'),
        replicaLagSeconds: new Map(
          replicas.map((replica) => [
            `${replica.get('ip')}:${replica.get('port')}`,
            Number(replica.get('lag') ?? 0),
          ]),
        ),
      };
    },

    async ping() {
      await commands.call((redis) => redis.ping());
    },

    async close() {
      await Promise.all([commands.close(), blocking.close()]);
    },
  };
}
