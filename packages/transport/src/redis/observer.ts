import type { Redis } from 'ioredis';
import { issuedAt } from '../entry-id.ts';
import { derivedKeys } from '../keys.ts';
import type { FailureRecord, GroupStatus, StreamObserver, WriterMark } from '../transport.ts';
import type { Connection } from './connection.ts';
import { pairs, type RawEntry, toEntries } from './entries.ts';
import { parseMark, TRIMMED } from './marks.ts';
import { isStreamMissing } from './replies.ts';

type Info = readonly (string | number | null)[];
type Pending = [id: string, consumer: string, idleMs: number, deliveries: number];

function marksOf(writers: Record<string, string>): Map<string, WriterMark> {
  const marks = new Map<string, WriterMark>();
  for (const [source, text] of Object.entries(writers)) {
    const mark = source === TRIMMED ? null : parseMark(text);
    if (mark !== null) marks.set(source, mark);
  }
  return marks;
}

/** What was handed back counts as idle since 1970; it cannot have been idle for longer than it exists. */
function idleMsOf(pending: Pending | undefined, nowMs: number): number | null {
  if (pending === undefined) return null;
  const [id, , idleMs] = pending;
  return Math.max(0, Math.min(idleMs, nowMs - issuedAt(id)));
}

async function groupStatus(redis: Redis, stream: string, info: Info): Promise<GroupStatus> {
  const { name, pending, lag, 'last-delivered-id': lastDeliveredId } = pairs(info);
  const group = String(name);
  const [consumers, oldest, [seconds], failures] = await Promise.all([
    redis.xinfo('CONSUMERS', stream, group) as Promise<Info[]>,
    redis.xpending(stream, group, '-', '+', 1) as Promise<Pending[]>,
    redis.time(),
    redis.hvals(derivedKeys.failures(stream, group)),
  ]);
  return {
    stream,
    group,
    pending: Number(pending),
    // Servers before 7.0 do not report it, and later ones not after entries were deleted.
    lag: lag === undefined || lag === null ? null : Number(lag),
    lastDeliveredId: String(lastDeliveredId),
    oldestPendingIdleMs: idleMsOf(oldest[0], Number(seconds) * 1000),
    consumers: consumers.map((consumer) => {
      const { name: consumerName, pending: held, idle } = pairs(consumer);
      return { name: String(consumerName), pending: Number(held), idleMs: Number(idle) };
    }),
    failed: failures.filter((json) => (JSON.parse(json) as FailureRecord).final).length,
  };
}

/** The read-only side. `follow` blocks `blocking`, so everything else goes through `commands`; it closes both. */
export function createRedisObserver(commands: Connection, blocking: Connection): StreamObserver {
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
          const groups = (await redis.xinfo('GROUPS', stream)) as Info[];
          return Promise.all(groups.map((info) => groupStatus(redis, stream, info)));
        });
      } catch (error) {
        if (isStreamMissing(error)) return [];
        throw error;
      }
    },

    async range(stream, from, to, count) {
      return toEntries(await commands.call((redis) => redis.xrange(stream, from, to, 'COUNT', count)));
    },

    async newest(stream, count) {
      const entries = await commands.call((redis) => redis.xrevrange(stream, '+', '-', 'COUNT', count));
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

    async ping() {
      await commands.call((redis) => redis.ping());
    },

    async close() {
      await Promise.all([commands.close(), blocking.close()]);
    },
  };
}
