import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { ContentMismatchError, StoreUnavailableError } from '../../errors.ts';
import { checked, inPieces, isContent } from '../content.ts';
import type { Content, PutOptions } from '../store.ts';
import type { S3Connection } from './connection.ts';
import { answered, isGarbled } from './failures.ts';
import { getObject, headObject } from './get.ts';
import { retain } from './object-lock.ts';

/** What is larger goes in parts of at least this size, and is held in memory one part at a time. */
const PART_BYTES = 8 * 1024 * 1024;
const MOST_PARTS = 10_000;
const TRIES = 4;

/**
 * What a put goes through. `If-None-Match: *` makes the write itself the decision between several writers; the look
 * before it saves the upload where nothing is to do, and is the answer where the decision is not known.
 *
 *     look ── there, same content ──────────────────────────▶ stored
 *      ▲ │ └─ there, other content ──────────────────────────▶ occupied
 *      │ └─── not there ─▶ write ── done ─▶ look ── same ────▶ stored
 *      │                     │                └─ other ──────▶ error: the store keeps something else
 *      └── taken meanwhile, ─┘
 *          in conflict, garbled
 */
export async function putObject(
  connection: S3Connection,
  key: string,
  content: Content,
  options: PutOptions,
): Promise<'stored' | 'occupied'> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const present = options.replace === true ? 'other' : await compare(connection, key, content);
    if (present === 'same') {
      if (options.retention !== undefined) await retain(connection, key, options.retention);
      return 'stored';
    }
    if (present === 'other' && options.replace !== true) return 'occupied';
    if (!(await write(connection, key, content, options))) continue;
    if ((await compare(connection, key, content)) === 'same') return 'stored';
    throw new ContentMismatchError(connection.location, key, 'the store does not keep what it was given');
  }
  throw new StoreUnavailableError(
    `${connection.location}: ${key} was in conflict, or altered on its way, ${TRIES} times`,
  );
}

/** Compares with what the store computed itself, and reads the object again where it computed nothing. */
async function compare(
  connection: S3Connection,
  key: string,
  content: Content,
): Promise<'absent' | 'same' | 'other'> {
  const found = await headObject(connection, key);
  if (found === null) return 'absent';
  if (found.sizeBytes !== content.sizeBytes) return 'other';
  if (found.sha256 !== undefined) return found.sha256 === content.sha256 ? 'same' : 'other';
  return (await isContent(content, (await getObject(connection, key)).body)) ? 'same' : 'other';
}

/** Whether it was written; if not, somebody else was faster, or it did not arrive as it was sent. */
async function write(
  connection: S3Connection,
  key: string,
  content: Content,
  options: PutOptions,
): Promise<boolean> {
  try {
    const send = content.sizeBytes > PART_BYTES ? writeInParts : writeWhole;
    await send(connection, key, content, options);
    return true;
  } catch (error) {
    // NoSuchUpload: the upload was completed by a try whose answer was lost.
    const isUndecided = answered(error, 'PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchUpload');
    if (isUndecided || isGarbled(error)) return false;
    throw error;
  }
}

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

/** No Content-Encoding: HTTP clients would take the compression off, and the bytes would not be the object's. */
function properties(connection: S3Connection, key: string, { retention, metadata }: PutOptions) {
  return {
    Bucket: connection.bucket,
    Key: connection.prefix + key,
    ContentType: key.endsWith('.gz') ? 'application/gzip' : 'application/octet-stream',
    ...(metadata === undefined ? {} : { Metadata: { ...metadata } }),
    ...(retention === undefined
      ? {}
      : {
          ObjectLockMode: retention.mode === 'compliance' ? ('COMPLIANCE' as const) : ('GOVERNANCE' as const),
          ObjectLockRetainUntilDate: retention.until,
        }),
  };
}

function condition({ replace }: PutOptions): { readonly IfNoneMatch?: '*' } {
  return replace === true ? {} : { IfNoneMatch: '*' };
}

async function writeWhole(
  connection: S3Connection,
  key: string,
  content: Content,
  options: PutOptions,
): Promise<void> {
  const Body = Buffer.concat(await Array.fromAsync(checked(content, { location: connection.location, key })));
  const command = new PutObjectCommand({
    ...properties(connection, key, options),
    ...condition(options),
    Body,
    ChecksumSHA256: base64(content.sha256),
  });
  await connection.call((client, sending) => client.send(command, sending));
}

/** One part after the other; nothing appears under the key before the last call. */
async function writeInParts(
  connection: S3Connection,
  key: string,
  content: Content,
  options: PutOptions,
): Promise<void> {
  const { location } = connection;
  const { Bucket, Key, ...rest } = properties(connection, key, options);
  const begun = await connection.call((client, sending) =>
    client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ...rest, ChecksumAlgorithm: 'SHA256' }),
      sending,
    ),
  );
  const upload = { Bucket, Key, UploadId: begun.UploadId };
  try {
    const partBytes = Math.max(PART_BYTES, Math.ceil(content.sizeBytes / MOST_PARTS));
    const Parts: CompletedPart[] = [];
    for await (const Body of inPieces(checked(content, { location, key }), partBytes)) {
      const part = { PartNumber: Parts.length + 1, ChecksumSHA256: sha256(Body) };
      const { ETag } = await connection.call((client, sending) =>
        client.send(new UploadPartCommand({ ...upload, ...part, Body }), sending),
      );
      Parts.push({ ...part, ETag });
    }
    const complete = { ...upload, ...condition(options), MultipartUpload: { Parts } };
    await connection.call((client, sending) =>
      client.send(new CompleteMultipartUploadCommand(complete), sending),
    );
  } catch (error) {
    // Parts are paid for. What cannot be removed now is among the leftovers.
    await connection
      .call((client, sending) => client.send(new AbortMultipartUploadCommand(upload), sending))
      .catch(() => 'the first error counts');
    throw error;
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64');
}
