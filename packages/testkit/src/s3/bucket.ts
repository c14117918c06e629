import { createHash } from 'node:crypto';
import type { ChecksumAlgorithm } from './content.ts';
import { S3Refusal, type S3Reply, type S3Request } from './protocol.ts';
import { toXml, type XmlValue } from './xml.ts';

/** Until when an object version may not be deleted, and who may shorten that. */
export interface Retention {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly until: Date;
}

/** An object as it is kept. */
export interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly checksum:
    | {
        readonly algorithm: ChecksumAlgorithm;
        readonly value: string;
        readonly type: 'FULL_OBJECT' | 'COMPOSITE';
      }
    | undefined;
  /** Content-Type and x-amz-meta-*, given back as they came. */
  readonly headers: Readonly<Record<string, string>>;
  readonly modifiedAt: Date;
  readonly retention: Retention | undefined;
}

/** A part of an upload that is not complete. */
export interface StoredPart {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly checksum: string | undefined;
}

/** A multipart upload that is neither complete nor aborted. */
export interface Upload {
  readonly id: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly retention: Retention | undefined;
  readonly algorithm: ChecksumAlgorithm | undefined;
  readonly initiatedAt: Date;
  readonly parts: Map<number, StoredPart>;
}

/** A bucket and all that is in it. */
export interface Bucket {
  readonly name: string;
  /** Objects can be locked. Then deleted and overwritten versions live on in S3, where nothing here can see them. */
  readonly objectLock: boolean;
  readonly objects: Map<string, StoredObject>;
  readonly uploads: Map<string, Upload>;
  lifecycle: Buffer | undefined;
}

/** An empty bucket. */
export function createBucket(name: string, options: { readonly objectLock?: boolean } = {}): Bucket {
  const { objectLock = false } = options;
  return { name, objectLock, objects: new Map(), uploads: new Map(), lifecycle: undefined };
}

/** An ETag as S3 makes it of content that came in one piece. */
export function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

/** The order in which S3 lists keys: that of their UTF-8 bytes. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The object of a request. */
export function objectOf(bucket: Bucket, key: string): StoredObject {
  const object = bucket.objects.get(key);
  if (object === undefined) throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.');
  return object;
}

/** Refuses what If-None-Match or If-Match forbid, now that the object is about to be written. */
export function checkWriteConditions(bucket: Bucket, request: S3Request): void {
  const { 'if-none-match': unless, 'if-match': onlyIf } = request.headers;
  const present = bucket.objects.get(request.key);
  if (unless !== undefined && unless !== '*') {
    throw new S3Refusal(
      501,
      'NotImplemented',
      'A header you provided implies functionality that is not implemented',
    );
  }
  if (unless === '*' && present !== undefined) throw preconditionFailed();
  if (onlyIf === undefined) return;
  if (present === undefined) throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.');
  if (onlyIf !== present.etag) throw preconditionFailed();
}

/** What an unmet condition is answered with. */
export function preconditionFailed(): S3Refusal {
  return new S3Refusal(
    412,
    'PreconditionFailed',
    'At least one of the pre-conditions you specified did not hold',
  );
}

/** The headers that are kept with an object. */
export function keptHeaders(request: S3Request): Record<string, string> {
  const kept = Object.entries(request.headers).filter(
    ([name]) => name === 'content-type' || name.startsWith('x-amz-meta-'),
  );
  return { 'content-type': 'binary/octet-stream', ...(Object.fromEntries(kept) as Record<string, string>) };
}

/** An answer without a body. */
export function empty(status: number, headers: Readonly<Record<string, string>> = {}): S3Reply {
  return { status, headers, body: Buffer.alloc(0) };
}

/** An answer of one XML element. */
export function xmlReply(
  name: string,
  value: XmlValue,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): S3Reply {
  return { status, headers: { 'content-type': 'application/xml', ...headers }, body: toXml(name, value) };
}
