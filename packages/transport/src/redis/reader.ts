import { CommandRejectedError, GroupMissingError } from '../errors.ts';
import { derivedKeys, failurePrefix, placeKey } from '../keys.ts';
import type { Delivery, FailureRecord, GroupReader, GroupRef } from '../transport.ts';
import type { Connection } from './connection.ts';
import { pairs, parseFailure, type RawEntry, toEntries } from './entries.ts';
import { createGroupScripts } from './group-scripts.ts';
import { isGroupThere } from './replies.ts';
import type { RunScript } from './scripts.ts';

type ClaimReply = [
  cursor: string,
  vanished: string[],
  claimed: [id: string, deliveries: number, fields: string[]][],
  givenUp: RawEntry[],
];
type ReadReply = [place: string, entries: RawEntry[]][] | null;

/** What a delivery says of where it stood. */
function standingIn({ stream, injected }: Pick<GroupRef, 'stream' | 'injected'>) {
  return injected === true ? { stream, injected } : { stream };
}

/** The consuming side. Reads block `blocking`, so everything else goes through `commands`; it closes both. */
export function createRedisReader(commands: Connection, blocking: Connection, run: RunScript): GroupReader {
  const { ofGroup, ofPending } = createGroupScripts(commands, run);

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
      const reply = await blocking.call((redis) => redis.call('XREADGROUP', args) as Promise<ReadReply>, {
        scope: { group, streams: keys },
        blockMs: Math.max(0, blockMs),
      });
      return (reply ?? []).flatMap(([key, entries]) => {
        const place = standingIn(places.get(key) ?? { stream: key });
        return entries.map(
          ([id, fields]): Delivery => ({ id, fields: pairs(fields), ...place, deliveries: 1 }),
        );
      });
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
      const [next, vanished, claimed, givenUp] = await ofPending<ClaimReply>(ref, 'claim', args);
      return {
        deliveries: claimed.map(([id, deliveries, fields]) => ({
          id,
          fields: pairs(fields),
          ...standingIn(ref),
          deliveries,
        })),
        vanished,
        givenUp: toEntries(givenUp),
        cursor: next || null,
      };
    },

    countDelivery(ref, consumer, id) {
      return ofGroup<number | null>(ref, 'count-delivery', [consumer, id]);
    },

    async keep(ref, consumer, ids) {
      return ids.length === 0 ? [] : ofGroup<string[]>(ref, 'keep', [consumer, ...ids]);
    },

    async acknowledge(ref, entries) {
      if (entries.length === 0) return 0;
      const args = entries.flatMap(({ id, eventId }) => [id, eventId]);
      return ofPending<number>(ref, 'acknowledge', args);
    },

    async release(ref, consumer, ids) {
      return ids.length === 0 ? 0 : ofGroup<number>(ref, 'release', [consumer, ...ids]);
    },

    async recordFailures(ref, consumer, failures) {
      const args = [...failures].flatMap(([id, record]) => [id, JSON.stringify(record)]);
      if (args.length > 0) await ofPending<number>(ref, 'record-failures', [consumer, ...args]);
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
        return (await ofGroup<number>(ref, 'remove-consumer', [consumer, 0])) === 1;
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
