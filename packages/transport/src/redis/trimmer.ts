import { idAfter } from '../entry-id.ts';
import { derivedKeys } from '../keys.ts';
import type { EntryName, GroupPosition, StreamTrimmer } from '../transport.ts';
import type { Connection } from './connection.ts';
import { pairs } from './entries.ts';
import { marksOf, TRIMMED } from './marks.ts';
import type { RunScript } from './scripts.ts';

/** A page is looked at by one script, which nobody else can interrupt; entries may be large. */
const PAGE_COUNT = 100;
/** So many entries go by one script. */
const TRIM_COUNT = 100_000;

type BoundsReply = [
  length: number,
  firstId: string,
  lastId: string,
  bytes: number,
  nowMs: number,
  anchored: '0' | '1',
  writers: string[],
  groups: ([] | [lastDeliveredId: string, oldestPendingId: string])[],
];
type LastReply = [newestId: string, cursor: string, lastOf: string[]];
type TrimReply =
  | ['trimmed', removed: number, isAll: '0' | '1']
  | ['refused', reason: 'changed' | 'group' | 'writer', name: string];

/** The side of those who trim, on a connection of its own, which it closes. */
export function createRedisTrimmer(connection: Connection, run: RunScript): StreamTrimmer {
  const keys = (stream: string) => [stream, derivedKeys.writers(stream)];
  const anchorArgs = (anchor: EntryName | undefined) => [anchor?.id ?? '', anchor?.eventId ?? ''];

  return {
    async bounds(stream, groups, anchor) {
      const args = [...anchorArgs(anchor), ...groups];
      const [length, firstId, lastId, bytes, nowMs, anchored, writers, positions] = await connection.call(
        (redis) => run<BoundsReply>(redis, 'trim-bounds', keys(stream), args),
      );
      const marks = pairs(writers);
      return {
        length,
        firstId: firstId || null,
        lastId: lastId || null,
        bytes,
        nowMs,
        anchored: anchored === '1',
        writers: marksOf(marks),
        trimmedTo: marks[TRIMMED] ?? null,
        groups: new Map(groups.map((group, index) => [group, toPosition(positions[index] ?? [])])),
      };
    },

    async lastOfSources(stream, { anchor, behind, below, sources }) {
      const lastOf = new Map<string, { position: string; eventId: string }>();
      const wanted = new Set(sources);
      let upTo: string | null = null;
      for (let newest = `(${below}`; ; ) {
        const oldest = behind === null ? '-' : `(${behind}`;
        const args = [...anchorArgs(anchor), newest, oldest, PAGE_COUNT];
        const page = await connection.call((redis) =>
          run<LastReply | null>(redis, 'last-of-sources', [stream], args),
        );
        if (page === null) return null;
        const [newestId, cursor, found] = page;
        upTo ??= newestId || null;
        for (let i = 0; i + 2 < found.length; i += 3) {
          const [source = '', position = '', eventId = ''] = found.slice(i, i + 3);
          wanted.delete(source);
          if (!lastOf.has(source)) lastOf.set(source, { position, eventId });
        }
        if (cursor === '' || wanted.size === 0) return { upTo, lastOf };
        newest = `(${cursor}`;
      }
    },

    async trim(stream, { upTo, anchor, groups, bystanders }) {
      const readers = [groups.length, ...groups, ...bystanders];
      const args = [upTo, idAfter(upTo), ...anchorArgs(anchor), TRIM_COUNT, ...readers];
      for (let removed = 0; ; ) {
        const reply = await connection.call((redis) => run<TrimReply>(redis, 'trim', keys(stream), args));
        if (reply[0] === 'trimmed') {
          removed += reply[1];
          if (reply[2] === '1') return { outcome: 'trimmed', removed };
          continue;
        }
        const [outcome, reason, name] = reply;
        return reason === 'changed' ? { outcome, reason } : { outcome, reason, name };
      }
    },

    async ping() {
      await connection.call((redis) => redis.ping());
    },

    close: () => connection.close(),
  };
}

function toPosition([lastDeliveredId, oldestPendingId]: readonly string[]): GroupPosition | null {
  return lastDeliveredId === undefined ? null : { lastDeliveredId, oldestPendingId: oldestPendingId || null };
}
