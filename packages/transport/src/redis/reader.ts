import type { Redis } from 'ioredis';
import { compareEntryIds, inEntryOrder } from '../entry-id.ts';
import { CommandRejectedError, EntriesPassedOverError, GroupMissingError } from '../errors.ts';
import { derivedKeys, failurePrefix, placeKey, placeOf } from '../keys.ts';
import type { Delivery, FailureRecord, GroupReader } from '../transport.ts';
import type { Connection } from './connection.ts';
import { pairs, type RawEntry, type RawInfo, toEntries } from './entries.ts';
import { parseFailure, stringifyFailure } from './failure-records.ts';
import { runForGroups } from './group-scripts.ts';
import { partsOf } from './parts.ts';
import { isGroupThere, isStreamMissing } from './replies.ts';
import type { RunScript } from './scripts.ts';

type ClaimReply = [
  cursor: string,
  vanished: string[],
  claimed: [id: string, deliveries: number, fields: string[]][],
  givenUp: RawEntry[],
];
type ReadReply = [place: string, entries: RawEntry[]][] | null;

/** What was delivered on a connection is acknowledged within this time after its loss. */
const longestHandlingMs = 86_400_000;

/** The consuming side. Reads block `blocking`, so everything else goes through `commands`; it closes both. */
export function createRedisReader(commands: Connection, blocking: Connection, run: RunScript): GroupReader {
  const runFor = runForGroups(commands, run);
  // Of what was delivered before, an entry ID may stand for another event since.
  let comparesUntil = 0;
  commands.onReconnect(() => {
    comparesUntil = performance.now() + longestHandlingMs;
  });

  /** By stream, the first entry above the given one, if there is one. */
  async function firstAfter(
    redis: Redis,
    asked: readonly { readonly key: string; readonly after: string }[],
  ): Promise<Map<string, string>> {
    if (asked.length === 0) return new Map();
    const keys = asked.map(({ key }) => key);
    const ids = asked.map(({ after }) => after);
    const found = await run<string[]>(redis, 'first-after', keys, ids);
    const following = keys.map((key, index) => [key, found[index] ?? ''] as const);
    return new Map(following.filter(([, id]) => id !== ''));
  }

  return {
    async ensureGroup(ref, startId) {
      const { group } = ref;
      if (!/^\d+(-\d+)?$/.test(startId)) {
        throw new CommandRejectedError(
          `the group ${group} on ${placeKey(ref)} cannot start at ${startId}: give an entry ID, or 0 for the beginning`,
        );
      }
      try {
        await commands.call((redis) => redis.xgroup('CREATE', placeKey(ref), group, startId, 'MKSTREAM'));
        return 'created';
      } catch (error) {
        if (isGroupThere(error)) return 'exists';
        throw error;
      }
    },

    async read({ group, consumer, from, count, blockMs }) {
      const places = new Map(from.map((place) => [placeKey({ ...place, group }), place]));
      const keys = [...places.keys()];
      // BLOCK 0 would be for ever.
      const block = blockMs > 0 ? ['BLOCK', Math.ceil(blockMs)] : [];
      const args = [
        'GROUP',
        group,
        consumer,
        'COUNT',
        count,
        ...block,
        'STREAMS',
        ...keys,
        ...keys.map(() => '>'),
      ];
      const guarded = [...places].flatMap(([key, { after }]) =>
        after === undefined ? [] : [{ key, after }],
      );
      // Sent together: it costs no round trip more.
      const send = (redis: Redis) =>
        Promise.all([redis.call('XREADGROUP', args) as Promise<ReadReply>, firstAfter(redis, guarded)]);
      const [reply, following] = await blocking.call(send, {
        scope: { group, streams: keys },
        blockMs: Math.max(0, blockMs),
      });
      return (reply ?? []).flatMap(([key, entries]) => {
        const next = following.get(key);
        const [[read] = ['']] = entries;
        if (next !== undefined && compareEntryIds(next, read) < 0)
          throw new EntriesPassedOverError(key, next, read);
        const place = placeOf(places.get(key) ?? { stream: key });
        return entries.map(
          ([id, fields]): Delivery => ({ id, fields: pairs(fields), ...place, deliveries: 1 }),
        );
      });
    },

    async lastDelivered(ref) {
      const key = placeKey(ref);
      try {
        const infos = await commands.call((redis) => redis.xinfo('GROUPS', key) as Promise<RawInfo[]>);
        const info = infos.map(pairs).find(({ name }) => name === ref.group);
        if (info !== undefined) return String(info['last-delivered-id']);
      } catch (error) {
        if (!isStreamMissing(error)) throw error;
      }
      throw new GroupMissingError(ref.group, [key]);
    },

    async claim(ref, { consumer, minIdleMs, count, maxDeliveries, withGivenUp, cursor }) {
      const args = [
        consumer,
        Math.ceil(minIdleMs),
        count,
        cursor ?? '',
        maxDeliveries,
        withGivenUp === true ? 1 : 0,
      ];
      const [next, vanished, claimed, givenUp] = await runFor<ClaimReply>(ref, 'claim', args);
      return {
        deliveries: claimed.map(([id, deliveries, fields]) => ({
          id,
          fields: pairs(fields),
          ...placeOf(ref),
          deliveries,
        })),
        vanished,
        givenUp: toEntries(givenUp),
        cursor: next || null,
      };
    },

    countDelivery(ref, consumer, id) {
      return runFor<number | null>(ref, 'count-delivery', [consumer, id]);
    },

    async keep(ref, consumer, ids) {
      return ids.length === 0 ? [] : runFor<string[]>(ref, 'keep', [consumer, ...ids]);
    },

    async acknowledge(ref, entries) {
      let acknowledged = 0;
      const names = inEntryOrder(entries).map(({ id, eventId }) => [id, eventId]);
      const compares = performance.now() < comparesUntil ? '1' : '0';
      for (const part of partsOf(names))
        acknowledged += await runFor<number>(ref, 'acknowledge', [compares, ...part.flat()]);
      return acknowledged;
    },

    async release(ref, consumer, deliveries) {
      if (deliveries.length === 0) return 0;
      const args = deliveries.flatMap(({ id, deliveries: count }) => [id, count]);
      return runFor<number>(ref, 'release', [consumer, ...args]);
    },

    async recordFailures(ref, consumer, failures) {
      const records = [...failures].map(([id, record]) => [id, record.eventId, stringifyFailure(record)]);
      for (const part of partsOf(records)) {
        await runFor<number>(ref, 'record-failures', [consumer, ...part.flat()]);
      }
    },

    async failures(ref, ids) {
      if (ids.length === 0) return new Map();
      const key = derivedKeys.failures(ref.stream, ref.group);
      const prefix = failurePrefix(ref);
      const records = await commands.call((redis) => redis.hmget(key, ...ids.map((id) => prefix + id)));
      const found = new Map<string, FailureRecord>();
      for (const [index, id] of ids.entries()) {
        const record = parseFailure(records[index] ?? null);
        if (record !== null) found.set(id, record);
      }
      return found;
    },

    async removeConsumer(ref, consumer) {
      try {
        return (await runFor<number>(ref, 'remove-consumer', [consumer, 0])) === 1;
      } catch (error) {
        // With its group, the name is gone too.
        if (error instanceof GroupMissingError) return true;
        throw error;
      }
    },

    async ping() {
      await commands.call((redis) => redis.ping());
    },

    async close() {
      await Promise.all([commands.close(), blocking.close()]);
    },
  };
}
