import {
  type Bucket,
  checkWriteConditions,
  empty,
  etagOf,
  keptHeaders,
  objectOf,
  preconditionFailed,
  type StoredObject,
  xmlReply,
} from './bucket.ts';
import { readContent, requireDigest } from './content.ts';
import { lockHeaders, lockOf } from './object-lock.ts';
import { S3Refusal, type S3Reply, type S3Request } from './protocol.ts';
import { childrenOf, malformed, parseXml, textOf } from './xml.ts';

const MOST_KEYS_PER_DELETE = 1_000;

/** PutObject: all of it or nothing, in one step. */
export function putObject(bucket: Bucket, request: S3Request): S3Reply {
  const { bytes, checksum } = readContent(request);
  const retention = lockOf(bucket, request.headers);
  checkWriteConditions(bucket, request);
  const object: StoredObject = {
    bytes,
    etag: etagOf(bytes),
    checksum: checksum && { ...checksum, type: 'FULL_OBJECT' },
    headers: keptHeaders(request),
    modifiedAt: new Date(),
    retention,
  };
  bucket.objects.set(request.key, object);
  return empty(200, { etag: object.etag, ...checksumHeaders(object) });
}

/** GetObject and HeadObject. */
export function getObject(bucket: Bucket, request: S3Request): S3Reply {
  const object = objectOf(bucket, request.key);
  const condition = request.headers['if-match'];
  if (condition !== undefined && condition !== object.etag) throw preconditionFailed();
  const range = rangeOf(request.headers.range, object.bytes.length);
  const body = range === undefined ? object.bytes : object.bytes.subarray(range.start, range.end + 1);
  const wantsChecksum = request.headers['x-amz-checksum-mode'] === 'ENABLED' && range === undefined;
  const headers = {
    ...object.headers,
    ...lockHeaders(object.retention),
    ...(wantsChecksum ? checksumHeaders(object) : {}),
    ...(range === undefined
      ? {}
      : { 'content-range': `bytes ${range.start}-${range.end}/${object.bytes.length}` }),
    'accept-ranges': 'bytes',
    'content-length': String(body.length),
    'last-modified': object.modifiedAt.toUTCString(),
    etag: object.etag,
  };
  return { status: range === undefined ? 200 : 206, headers, body };
}

/** The range of `bytes=a-b`, `a-` or `-n`; what is none of these is ignored, as HTTP demands. */
function rangeOf(header: string | undefined, length: number): { start: number; end: number } | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? length - 1 : Math.min(Number(last), length - 1);
  if (start > end) throw new S3Refusal(416, 'InvalidRange', 'The requested range is not satisfiable');
  return { start, end };
}

/** Checksum headers of an answer. */
export function checksumHeaders({ checksum }: Pick<StoredObject, 'checksum'>): Record<string, string> {
  if (checksum === undefined) return {};
  return { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/**
 * DeleteObject: a key that is not there is fine. In a bucket with object lock this leaves a delete marker, and a
 * version that nobody can see any more; a lock does not forbid that.
 */
export function deleteObject(bucket: Bucket, request: S3Request): S3Reply {
  bucket.objects.delete(request.key);
  return empty(204);
}

/** DeleteObjects: up to 1,000 keys; the document has to come with a checksum. */
export function deleteObjects(bucket: Bucket, request: S3Request): S3Reply {
  const { bytes, checksum } = readContent(request);
  requireDigest(request, checksum !== undefined);
  const document = parseXml(bytes, 'Delete');
  const keys = childrenOf(document, 'Object').map((object) => textOf(object, 'Key') ?? '');
  if (keys.length === 0 || keys.length > MOST_KEYS_PER_DELETE || keys.includes('')) throw malformed();
  for (const key of keys) bucket.objects.delete(key);
  const quiet = textOf(document, 'Quiet') === 'true';
  return xmlReply('DeleteResult', { Deleted: quiet ? undefined : keys.map((key) => ({ Key: key })) });
}
