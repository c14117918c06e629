import { assertBatch, valuesWithoutSource } from '../batch.ts';
import { derivedKeys } from '../keys.ts';
import type { StreamWriter } from '../transport.ts';
import type { Connection } from './connection.ts';
import { toEntries } from './entries.ts';
import { parseMark } from './marks.ts';
import type { RunScript } from './scripts.ts';

type AppendReply =
  | ['appended', firstId: string, lastId: string]
  | ['refused', mark: string, present: '0' | '1'];
type InspectReply = [mark: string, markPresent: '0' | '1', askedPresent: '0' | '1', trimmedTo: string];

/** The publishing side on a connection of its own, which it closes. */
export function createRedisWriter(connection: Connection, run: RunScript): StreamWriter {
  const keys = (stream: string) => [stream, derivedKeys.writers(stream)];

  return {
    async append(stream, { source, expect, entries }) {
      assertBatch(stream, source, entries);
      const head = [source, expect.eventId ?? '', expect.present ? '1' : '0', entries.length];
      const args = head.concat(entries.flatMap(valuesWithoutSource));
      const reply = await connection.call((redis) => run<AppendReply>(redis, 'append', keys(stream), args));
      return reply[0] === 'appended'
        ? { outcome: 'appended', firstId: reply[1], lastId: reply[2] }
        : { outcome: 'refused', mark: parseMark(reply[1]), present: reply[2] === '1' };
    },

    async inspect(stream, source, asked) {
      const args = [source, asked?.entryId ?? '', asked?.eventId ?? ''];
      const [mark, markPresent, askedPresent, trimmedTo] = await connection.call((redis) =>
        run<InspectReply>(redis, 'inspect', keys(stream), args),
      );
      return {
        mark: parseMark(mark),
        markPresent: markPresent === '1',
        askedPresent: asked === undefined ? null : askedPresent === '1',
        trimmedTo: trimmedTo || null,
      };
    },

    async range(stream, from, to, count) {
      return toEntries(await connection.call((redis) => redis.xrange(stream, from, to, 'COUNT', count)));
    },

    async restoreTrim(stream, { trimmedTo, highestId }) {
      const args = [trimmedTo ?? '', highestId];
      return (
        (await connection.call((redis) => run<string>(redis, 'restore-trim', keys(stream), args))) === '1'
      );
    },

    onReconnect: (listener) => connection.onReconnect(listener),

    async ping() {
      await connection.call((redis) => redis.ping());
    },

    close: () => connection.close(),
  };
}
