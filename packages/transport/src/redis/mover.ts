import { assertAddable } from '../batch.ts';
import { deadLetterFields } from '../entry.ts';
import { boundedIdleMs } from '../entry-id.ts';
import { derivedKeys, placeKey } from '../keys.ts';
import type { EntryMover, GroupRef, ReplayOutcome } from '../transport.ts';
import type { Connection } from './connection.ts';
import { pairs } from './entries.ts';
import { parseFailure } from './failure-records.ts';
import { runForGroups } from './group-scripts.ts';
import { partsOf } from './parts.ts';
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

type TakeReply = ['taken', at: string, lastId: string] | ['superseded'];
type InjectReply = [outcome: ReplayOutcome['outcome'], lastId: string, firstId: string];

/** An entry that is to be added once, as `add-once.lua` takes it. */
type Addition = readonly string[];

/** The side of those who move entries, on a connection of its own, which it closes. */
export function createRedisMover(connection: Connection, run: RunScript): EntryMover {
  const runFor = runForGroups(connection, run);

  const letters = ({ stream, group }: GroupRef) => derivedKeys.deadLetters(stream, group);

  async function addOnce(ref: GroupRef, target: string, additions: readonly Addition[]): Promise<string[]> {
    const keys = [target, letters(ref)];
    const ids: string[] = [];
    for (const part of partsOf(additions)) {
      ids.push(...(await connection.call((redis) => run<string[]>(redis, 'add-once', keys, part.flat()))));
    }
    return ids;
  }

  return {
    async givenUp(ref, { minIdleMs, maxDeliveries, count, cursor }) {
      const args = [Math.ceil(minIdleMs), count, cursor ?? '', maxDeliveries];
      const [[seconds], [next, entries]] = await Promise.all([
        connection.call((redis) => redis.time()),
        runFor<GivenUpReply>(ref, 'given-up', args),
      ]);
      const now = Number(seconds) * 1000;
      return {
        entries: entries.map(([id, consumer, idleMs, deliveries, failure, fields]) => ({
          id,
          consumer,
          idleMs: boundedIdleMs(id, idleMs, now),
          deliveries,
          failure: parseFailure(failure),
          fields: fields === null ? null : pairs(fields),
        })),
        cursor: next || null,
      };
    },

    deadLetter(ref, { id, eventId }, details) {
      const args = [id, eventId, ...flat(deadLetterFields({}, details))];
      return runFor<string | null>(ref, 'dead-letter', args, [letters(ref)]);
    },

    async restore(ref, copies) {
      assertAddable(letters(ref), copies);
      const additions = copies.map(({ fields, details, deadLetterId }) =>
        addition(deadLetterFields(fields, details), { standingId: deadLetterId }),
      );
      return addOnce(ref, letters(ref), additions);
    },

    async inject(ref, entries) {
      const place = placeKey({ ...ref, injected: true });
      assertAddable(place, entries);
      const additions = entries.map(({ fields, replayId, injectId, deadLetterId }) =>
        addition({ ...fields, replay_id: replayId }, { standingId: injectId, takenId: deadLetterId }),
      );
      return addOnce(ref, place, additions);
    },

    async forget(ref, entries) {
      let deleted = 0;
      for (const part of partsOf(entries.map(({ id, eventId }) => [id, eventId]))) {
        deleted += await connection.call((redis) =>
          run<number>(redis, 'forget', [letters(ref)], part.flat()),
        );
      }
      return deleted;
    },

    async takeReplay(ref, { replay, token, handledTo }) {
      const [outcome, at = '', lastId = ''] = await connection.call((redis) =>
        run<TakeReply>(redis, 'take-replay', replayKeys(ref), [replay, token, handledTo]),
      );
      return outcome === 'taken' ? { at, lastId } : null;
    },

    async injectReplay(ref, { replay, token, at, to, replayId, entries, limit }) {
      const keys = replayKeys(ref);
      assertAddable(keys[0], entries);
      const additions = entries.flatMap(({ fields }) => {
        const values = flat({ ...fields, replay_id: replayId });
        return [String(values.length), ...values];
      });
      const [outcome, lastId, firstId] = await connection.call((redis) =>
        run<InjectReply>(redis, 'inject-replay', keys, [replay, token, at, to, limit, ...additions]),
      );
      return outcome === 'injected' || outcome === 'full'
        ? { outcome, lastId, firstId: firstId || null }
        : { outcome };
    },

    endReplay(ref, replay, { withdrawn = '' } = {}) {
      return connection.call((redis) =>
        run<number>(redis, 'end-replay', replayKeys(ref), [replay, ref.group, withdrawn]),
      );
    },

    injectedCount(ref) {
      return connection.call((redis) => redis.xlen(placeKey({ ...ref, injected: true })));
    },

    deadLetterCount(ref) {
      return connection.call((redis) => redis.xlen(letters(ref)));
    },

    async absent(ref, from, entries) {
      const key = from === 'injected' ? placeKey({ ...ref, injected: true }) : letters(ref);
      const absent: string[] = [];
      for (const part of partsOf(entries.map(({ id, eventId }) => [id, eventId]))) {
        absent.push(
          ...(await connection.call((redis) => run<string[]>(redis, 'absent', [key], part.flat()))),
        );
      }
      return absent;
    },

    async dropVanished(ref, ids) {
      let dropped = 0;
      for (const part of partsOf(ids.map((id) => [id]))) {
        dropped += await runFor<number>(ref, 'drop-vanished', part.flat());
      }
      return dropped;
    },

    async removeIdleConsumer(ref, consumer, minIdleMs) {
      return (await runFor<number>(ref, 'remove-consumer', [consumer, Math.ceil(minIdleMs)])) === 1;
    },

    async ping() {
      await connection.call((redis) => redis.ping());
    },

    close: () => connection.close(),
  };
}

function replayKeys(ref: GroupRef): [inject: string, marks: string] {
  return [placeKey({ ...ref, injected: true }), derivedKeys.replays(ref.stream)];
}

function flat(fields: Readonly<Record<string, string>>): string[] {
  return Object.entries(fields).flat();
}

function addition(
  fields: Readonly<Record<string, string>>,
  {
    standingId = '',
    takenId = '',
  }: { readonly standingId?: string | undefined; readonly takenId?: string | undefined },
): Addition {
  const values = flat(fields);
  return [standingId, fields.event_id ?? '', takenId, String(values.length), ...values];
}
