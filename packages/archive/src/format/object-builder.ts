import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { crc32, createDeflateRaw } from 'node:zlib';
import { hourOf } from '../layout/entry-id.ts';
import { type ObjectDescription, SCHEMA } from './description.ts';
import { frame } from './gzip-frame.ts';

/** An object, ready to be put. */
export interface BuiltObject {
  readonly description: ObjectDescription;
  readonly chunks: readonly Buffer[];
}

/** An object in the making: compressed as it grows, and all that is kept of it is that. */
export interface ObjectBuilder {
  /** The hour of its entries, in milliseconds since the epoch. */
  readonly hour: number;
  /** Of the lines so far, uncompressed. */
  readonly contentBytes: number;
  /** The line of the next entry, without a line end. */
  add(id: string, line: string): Promise<void>;
  finish(): Promise<BuiltObject>;
  /** Gives up what was not finished. */
  discard(): void;
}

// Lines are handed on many at a time: each costs a trip to another thread.
const BATCH_LENGTH = 128 * 1024;

/** Begins an object with its first entry, behind all that is archived of the stream so far. */
export function createObjectBuilder(start: {
  readonly stream: string;
  readonly after: string;
  readonly firstId: string;
}): ObjectBuilder {
  const { stream, after, firstId } = start;
  const deflate = createDeflateRaw();
  const body: Buffer[] = [];
  const hash = createHash('sha256');
  let batch = '';
  let batchBytes = 0;
  let checksum = 0;
  let lastId = firstId;
  let count = 0;
  let contentBytes = 0;
  deflate.on('data', (chunk: Buffer) => body.push(chunk));

  async function flush(): Promise<void> {
    const bytes = Buffer.from(batch);
    batch = '';
    contentBytes += bytes.length;
    batchBytes = 0;
    hash.update(bytes);
    checksum = crc32(bytes, checksum);
    if (!deflate.write(bytes)) await once(deflate, 'drain');
  }

  return {
    hour: hourOf(firstId),
    get contentBytes() {
      return contentBytes + batchBytes;
    },
    async add(id, line) {
      lastId = id;
      count += 1;
      batch += `${line}\n`;
      batchBytes += Buffer.byteLength(line) + 1;
      if (batch.length >= BATCH_LENGTH) await flush();
    },
    async finish() {
      await flush();
      deflate.end();
      await once(deflate, 'end');
      const trailer = Buffer.alloc(8);
      trailer.writeUInt32LE(checksum);
      trailer.writeUInt32LE(contentBytes % 2 ** 32, 4);
      const contentSha256 = hash.digest('hex');
      const description = {
        schema: SCHEMA,
        stream,
        after,
        firstId,
        lastId,
        count,
        contentBytes,
        contentSha256,
      };
      return { description, chunks: frame(JSON.stringify(description), [...body, trailer]) };
    },
    discard: () => deflate.destroy(),
  };
}
