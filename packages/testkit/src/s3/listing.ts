import { type Bucket, compareKeys, xmlReply } from './bucket.ts';
import { S3Refusal, type S3Reply, type S3Request } from './protocol.ts';

const MOST_PER_PAGE = 1_000;

function limitOf(request: S3Request, parameter: string): number {
  const text = request.query.get(parameter) ?? String(MOST_PER_PAGE);
  if (!/^\d+$/.test(text))
    throw new S3Refusal(400, 'InvalidArgument', `Provided ${parameter} not an integer`);
  return Math.min(Number(text), MOST_PER_PAGE);
}

function refuseEncoding(request: S3Request): void {
  if (request.query.has('encoding-type')) {
    throw new S3Refusal(501, 'NotImplemented', 'This double does not encode keys.');
  }
}

/** ListObjectsV2, in the order of the keys' UTF-8 bytes; pages have at most `pageSize` keys. */
export function listObjects(bucket: Bucket, request: S3Request, pageSize: number): S3Reply {
  refuseEncoding(request);
  const { query } = request;
  const prefix = query.get('prefix') ?? '';
  const token = query.get('continuation-token');
  const after = token === null ? (query.get('start-after') ?? '') : keyOf(token);
  const limit = Math.min(limitOf(request, 'max-keys'), pageSize);
  const matching = [...bucket.objects.keys()]
    .filter((key) => key.startsWith(prefix) && compareKeys(key, after) > 0)
    .toSorted(compareKeys);
  const keys = matching.slice(0, limit);
  const isTruncated = matching.length > limit;
  return xmlReply('ListBucketResult', {
    Name: bucket.name,
    Prefix: prefix,
    MaxKeys: limit,
    KeyCount: keys.length,
    IsTruncated: isTruncated,
    ContinuationToken: token ?? undefined,
    NextContinuationToken: isTruncated ? tokenOf(keys.at(-1) ?? '') : undefined,
    Contents: keys.map((key) => {
      const object = bucket.objects.get(key);
      return {
        Key: key,
        LastModified: object?.modifiedAt.toISOString(),
        ETag: object?.etag,
        Size: object?.bytes.length,
        StorageClass: 'STANDARD',
      };
    }),
  });
}

// Nothing that a client could mistake for a key.
function tokenOf(key: string): string {
  return Buffer.from(`after ${key}`).toString('base64');
}

function keyOf(token: string): string {
  const text = Buffer.from(token, 'base64').toString('utf8');
  if (!text.startsWith('after ')) {
    throw new S3Refusal(400, 'InvalidArgument', 'The continuation token provided is incorrect');
  }
  return text.slice('after '.length);
}

/** ListMultipartUploads, in the order of keys, then of when they were begun. */
export function listUploads(bucket: Bucket, request: S3Request, pageSize: number): S3Reply {
  refuseEncoding(request);
  const { query } = request;
  const prefix = query.get('prefix') ?? '';
  const keyMarker = query.get('key-marker') ?? '';
  const idMarker = query.get('upload-id-marker') ?? '';
  const limit = Math.min(limitOf(request, 'max-uploads'), pageSize);
  const all = [...bucket.uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .toSorted((a, b) => compareKeys(a.key, b.key) || a.initiatedAt.getTime() - b.initiatedAt.getTime());
  const markerAt = all.findIndex(({ key, id }) => key === keyMarker && id === idMarker);
  const behind =
    markerAt === -1 ? all.filter(({ key }) => compareKeys(key, keyMarker) > 0) : all.slice(markerAt + 1);
  const uploads = behind.slice(0, limit);
  const isTruncated = behind.length > limit;
  const last = uploads.at(-1);
  return xmlReply('ListMultipartUploadsResult', {
    Bucket: bucket.name,
    Prefix: prefix,
    MaxUploads: limit,
    IsTruncated: isTruncated,
    NextKeyMarker: isTruncated ? last?.key : undefined,
    NextUploadIdMarker: isTruncated ? last?.id : undefined,
    Upload: uploads.map(({ key, id, initiatedAt }) => ({
      Key: key,
      UploadId: id,
      Initiated: initiatedAt.toISOString(),
      StorageClass: 'STANDARD',
    })),
  });
}
