import { derivedKeys, placeKey } from '../keys.ts';
import type { DeadLetterDetails, EntryMover, GroupRef } from '../transport.ts';
import type { Connection } from './connection.ts';
import { pairs, parseFailure } from './entries.ts';
import { createGroupScripts } from './group-scripts.ts';
import type { RunScript } from './scripts.ts';

type GivenUpReply = [
  cursor: string,
  entries: [
    id: string,
    consumer: string,
    idleMs: number,
    deliveries: number,
    failure: string,
    fields: string[] | null,
  ][],
];

/** The side of those who move entries, on a connection of its own, which it closes. */
export function createRedisMover(connection: Connection, run: RunScript): EntryMover {
  const { ofGroup, ofPending } = createGroupScripts(connection, run);

  const letters = ({ stream, group }: GroupRef) => derivedKeys.deadLetters(stream, group);

  return {
    async givenUp(ref, { minIdleMs, maxDeliveries, count, cursor }) {
      const args = [Math.ceil(minIdleMs), count, cursor ?? '', maxDeliveries];
      const [next, entries] = await ofPending<GivenUpReply>(ref, 'given-up', args);
      return {
        entries: entries.map(([id, consumer, idleMs, deliveries, failure, fields]) => ({
          id,
          consumer,
          idleMs,
          deliveries,
          failure: parseFailure(failure),
          fields: fields === null ? null : pairs(fields),
        })),
        cursor: next || null,
      };
    },

    deadLetter(ref, { id, eventId }, details) {
      const args = [id, eventId, ...flat(details)];
      return ofPending<string | null>(ref, 'dead-letter', args, [letters(ref)]);
    },

    restore(ref, copies) {
      const args = copies.flatMap(({ fields, details, deadLetterId }) =>
        addition(deadLetterId, '', { ...fields, ...details }),
      );
      return addOnce(letters(ref), letters(ref), args);
    },

    inject(ref, entries) {
      const place = placeKey({ ...ref, injected: true });
      const args = entries.flatMap(({ fields, replayId, injectId, deadLetterId }) =>
        addition(injectId, deadLetterId, { ...fields, replay_id: replayId }),
      );
      return addOnce(place, letters(ref), args);
    },

    async forget(ref, entries) {
      if (entries.length === 0) return 0;
      const args = entries.flatMap(({ id, eventId }) => [id, eventId]);
      return connection.call((redis) => run<number>(redis, 'forget', [letters(ref)], args));
    },

    injectedCount(ref) {
      return connection.call((redis) => redis.xlen(placeKey({ ...ref, injected: true })));
    },

    async dropVanished(ref, ids) {
      return ids.length === 0 ? 0 : ofPending<number>(ref, 'drop-vanished', ids);
    },

    async removeIdleConsumer(ref, consumer, minIdleMs) {
      return (await ofGroup<number>(ref, 'remove-consumer', [consumer, Math.ceil(minIdleMs)])) === 1;
    },

    async ping() {
      await connection.call((redis) => redis.ping());
    },

    close: () => connection.close(),
  };

  async function addOnce(
    target: string,
    taken: string,
    args: readonly (string | number)[],
  ): Promise<string[]> {
    if (args.length === 0) return [];
    return connection.call((redis) => run<string[]>(redis, 'add-once', [target, taken], args));
  }
}

function flat(fields: Readonly<Record<string, string>> | DeadLetterDetails): string[] {
  return Object.entries(fields).flat();
}

function addition(
  standingId: string | undefined,
  takenId: string | undefined,
  fields: Readonly<Record<string, string>>,
): (string | number)[] {
  const values = flat(fields);
  return [standingId ?? '', fields.event_id ?? '', takenId ?? '', values.length, ...values];
}
