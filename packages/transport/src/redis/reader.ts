import { CommandRejectedError, GroupMissingError } from '../errors.ts';
import { derivedKeys } from '../keys.ts';
import type { Delivery, FailureRecord, GroupReader, GroupRef } from '../transport.ts';
import type { Connection } from './connection.ts';
import { pairs, type RawEntry } from './entries.ts';
import { isGroupThere } from './replies.ts';
import type { RunScript, ScriptName } from './scripts.ts';

type ClaimReply = [
  cursor: string,
  vanished: string[],
  claimed: [id: string, deliveries: number, fields: string[]][],
];
type ReadReply = [stream: string, entries: RawEntry[]][] | null;

const scopeOf = ({ stream, group }: GroupRef) => ({ group, streams: [stream] });

function newDeliveries(reply: ReadReply): Delivery[] {
  return (reply ?? []).flatMap(([stream, entries]) =>
    entries.map(([id, fields]) => ({ id, fields: pairs(fields), stream, deliveries: 1 })),
  );
}

/** The consuming side. Reads block `blocking`, so everything else goes through `commands`; it closes both. */
export function createRedisReader(commands: Connection, blocking: Connection, run: RunScript): GroupReader {
  /** Scripts that keep failures in step with the pending list are also given their key. */
  function runFor<Reply>(
    ref: GroupRef,
    name: ScriptName,
    args: readonly (string | number)[],
    withFailures = false,
  ): Promise<Reply> {
    const failures = withFailures ? [derivedKeys.failures(ref.stream, ref.group)] : [];
    return commands.call(
      (redis) => run<Reply>(redis, name, [ref.stream, ...failures], [ref.group, ...args]),
      { scope: scopeOf(ref) },
    );
  }

  return {
    async ensureGroup({ stream, group }, startId) {
      if (!/^\d+(-\d+)?$/.test(startId)) {
        throw new CommandRejectedError(
          `the group ${group} on ${stream} cannot start at ${startId}: give an entry ID, or 0 for the beginning`,
        );
      }
      try {
        await commands.call((redis) => redis.xgroup('CREATE', stream, group, startId, 'MKSTREAM'));
        return 'created';
      } catch (error) {
        if (isGroupThere(error)) return 'exists';
        throw error;
      }
    },

    async read({ group, consumer, streams, count, blockMs }) {
      // BLOCK 0 would be for ever.
      const block = blockMs > 0 ? ['BLOCK', Math.ceil(blockMs)] : [];
      const from = ['STREAMS', ...streams, ...streams.map(() => '>')];
      const args = ['GROUP', group, consumer, 'COUNT', count, ...block, ...from];
      const reply = await blocking.call((redis) => redis.call('XREADGROUP', args) as Promise<ReadReply>, {
        scope: { group, streams },
        blockMs: Math.max(0, blockMs),
      });
      return newDeliveries(reply);
    },

    async claim(ref, { consumer, minIdleMs, count, cursor }) {
      const args = [consumer, Math.ceil(minIdleMs), count, cursor ?? ''];
      const [next, vanished, claimed] = await runFor<ClaimReply>(ref, 'claim', args, true);
      return {
        deliveries: claimed.map(([id, deliveries, fields]) => ({
          id,
          fields: pairs(fields),
          stream: ref.stream,
          deliveries,
        })),
        vanished,
        cursor: next || null,
      };
    },

    async keep(ref, consumer, ids) {
      return ids.length === 0 ? [] : runFor<string[]>(ref, 'keep', [consumer, ...ids]);
    },

    async acknowledge(ref, ids) {
      return ids.length === 0 ? 0 : runFor<number>(ref, 'acknowledge', ids, true);
    },

    async release(ref, consumer, ids) {
      return ids.length === 0 ? 0 : runFor<number>(ref, 'release', [consumer, ...ids]);
    },

    async recordFailures(ref, failures) {
      const args = [...failures].flatMap(([id, record]) => [id, JSON.stringify(record)]);
      if (args.length > 0) await runFor<number>(ref, 'record-failures', args, true);
    },

    async failures({ stream, group }, ids) {
      if (ids.length === 0) return new Map();
      const key = derivedKeys.failures(stream, group);
      const records = await commands.call((redis) => redis.hmget(key, ...ids));
      const found = new Map<string, FailureRecord>();
      for (const [index, id] of ids.entries()) {
        const json = records[index];
        if (json) found.set(id, JSON.parse(json) as FailureRecord);
      }
      return found;
    },

    async removeConsumer(ref, consumer) {
      try {
        return (await runFor<number>(ref, 'remove-consumer', [consumer])) === 1;
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
