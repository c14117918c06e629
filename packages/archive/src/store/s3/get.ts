import { setTimeout as delay } from 'node:timers/promises';
import { GetObjectCommand, type GetObjectCommandOutput, HeadObjectCommand } from '@aws-sdk/client-s3';
import {
  ObjectMissingError,
  StoreClosedError,
  StoreRefusedError,
  StoreUnavailableError,
} from '../../errors.ts';
import type { ByteRange, ObjectContent, ObjectInfo } from '../store.ts';
import type { S3Connection } from './connection.ts';
import { answered } from './failures.ts';

/** What HEAD says. */
export interface S3ObjectInfo extends ObjectInfo {
  /** Hex; of the whole object as the server computed it, where it keeps one. Of an object put in parts it does not. */
  readonly sha256: string | undefined;
}

/** Looks at an object; null if there is none. */
export async function headObject(connection: S3Connection, key: string): Promise<S3ObjectInfo | null> {
  const { bucket: Bucket, prefix } = connection;
  try {
    const found = await connection.call((client, options) =>
      client.send(new HeadObjectCommand({ Bucket, Key: prefix + key, ChecksumMode: 'ENABLED' }), options),
    );
    const { ContentLength = 0, LastModified = new Date(0), ChecksumSHA256 } = found;
    // A checksum of the parts' checksums ends in "-<number of parts>".
    const isWhole = ChecksumSHA256 !== undefined && !ChecksumSHA256.includes('-');
    return {
      key,
      sizeBytes: ContentLength,
      modifiedAt: LastModified,
      sha256: isWhole ? Buffer.from(ChecksumSHA256, 'base64').toString('hex') : undefined,
    };
  } catch (error) {
    if (answered(error, 'NotFound', 'NoSuchKey')) return null;
    throw error;
  }
}

const TRIES_WITHOUT_PROGRESS = 4;
const FIRST_PAUSE_MS = 50;

interface Part {
  readonly response: GetObjectCommandOutput;
  readonly sizeBytes: number;
}

/** Reads an object, or a part of it. */
export async function getObject(
  connection: S3Connection,
  key: string,
  { start = 0, end = Number.MAX_SAFE_INTEGER }: ByteRange = {},
): Promise<ObjectContent> {
  const first = await requestPart(connection, key, { start, end });
  if (first === undefined) {
    const found = await headObject(connection, key);
    if (found === null) throw new ObjectMissingError(connection.location, key);
    return { sizeBytes: found.sizeBytes, body: nothing() };
  }
  const range = { start, end: Math.min(end, first.sizeBytes) };
  return { sizeBytes: first.sizeBytes, body: resuming(connection, key, range, first) };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/**
 * Asks for a range always, also for the whole: the answer's Content-Range then tells how long the object is,
 * whatever becomes of the body on the way. Undefined if the range holds nothing.
 */
async function requestPart(
  connection: S3Connection,
  key: string,
  range: { readonly start: number; readonly end: number; readonly etag?: string | undefined },
): Promise<Part | undefined> {
  const { bucket: Bucket, prefix, location } = connection;
  const { start, end, etag } = range;
  if (end <= start) return undefined;
  const last = end === Number.MAX_SAFE_INTEGER ? '' : String(end - 1);
  const command = new GetObjectCommand({
    Bucket,
    Key: prefix + key,
    Range: `bytes=${start}-${last}`,
    ...(etag === undefined ? {} : { IfMatch: etag }),
  });
  try {
    const response = await connection.call((client, options) => client.send(command, options));
    const [, from, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.ContentRange ?? '') ?? [];
    if (Number(from) !== start) {
      throw new StoreRefusedError(`${location} does not answer ranges, which the archive needs`);
    }
    return { response, sizeBytes: Number(size) };
  } catch (error) {
    if (answered(error, 'InvalidRange')) return undefined;
    if (answered(error, 'NoSuchKey', 'NotFound'))
      throw new ObjectMissingError(location, key, { cause: error });
    if (answered(error, 'PreconditionFailed')) {
      throw new StoreUnavailableError(`${location}: ${key} was replaced while it was read`, { cause: error });
    }
    throw error;
  }
}

/** A body that breaks off, or ends too early, is asked for again from where it ended, of the same version. */
async function* resuming(
  connection: S3Connection,
  key: string,
  { start, end }: { readonly start: number; readonly end: number },
  first: Part,
): AsyncGenerator<Uint8Array> {
  let at = start;
  let part: Part | undefined = first;
  for (let tries = 1; ; tries += 1) {
    const before = at;
    let failure: unknown = new Error(`the body ended before byte ${end} of ${key}`);
    try {
      for await (const chunk of bytesOf(part)) {
        at += chunk.byteLength;
        yield chunk;
      }
    } catch (error) {
      failure = error;
    }
    if (at >= end) return;
    if (at > before) tries = 1;
    const error = connection.toError(failure);
    if (tries === TRIES_WITHOUT_PROGRESS || error instanceof StoreClosedError) throw error;
    await delay(FIRST_PAUSE_MS * 2 ** tries * Math.random());
    part = await requestPart(connection, key, { start: at, end, etag: first.response.ETag });
  }
}

function bytesOf(part: Part | undefined): AsyncIterable<Uint8Array> {
  return (part?.response.Body as AsyncIterable<Uint8Array> | undefined) ?? nothing();
}
