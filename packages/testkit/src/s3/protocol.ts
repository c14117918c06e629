import type { IncomingHttpHeaders } from 'node:http';

/** What S3 calls the operation of a request, as far as the server knows it. */
export type S3Operation =
  | 'AbortMultipartUpload'
  | 'CompleteMultipartUpload'
  | 'CreateBucket'
  | 'CreateMultipartUpload'
  | 'DeleteBucketLifecycle'
  | 'DeleteObject'
  | 'DeleteObjects'
  | 'GetBucketLifecycleConfiguration'
  | 'GetObject'
  | 'GetObjectLockConfiguration'
  | 'GetObjectRetention'
  | 'HeadBucket'
  | 'HeadObject'
  | 'ListMultipartUploads'
  | 'ListObjectsV2'
  | 'PutBucketLifecycleConfiguration'
  | 'PutObject'
  | 'PutObjectRetention'
  | 'UploadPart';

/** A request, read to its end. */
export interface S3Request {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Empty where the request names none. */
  readonly bucket: string;
  readonly key: string;
  /** Undefined for what S3 has and this server has not. */
  readonly operation: S3Operation | undefined;
  /** As it was sent: framing of aws-chunked is still in it. */
  readonly body: Buffer;
}

/** What is answered. */
export interface S3Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
}

/** Answers requests: the double's own bucket store, or a real server behind it. */
export type S3Backend = (request: S3Request) => Promise<S3Reply>;

/** What S3 answers when it refuses: a status and a code. */
export class S3Refusal extends Error {
  override readonly name = 'S3Refusal';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const BY_METHOD: Readonly<Record<string, Readonly<Record<string, S3Operation>>>> = {
  bucket: {
    'PUT ': 'CreateBucket',
    'HEAD ': 'HeadBucket',
    'GET list-type': 'ListObjectsV2',
    'GET uploads': 'ListMultipartUploads',
    'POST delete': 'DeleteObjects',
    'GET lifecycle': 'GetBucketLifecycleConfiguration',
    'PUT lifecycle': 'PutBucketLifecycleConfiguration',
    'DELETE lifecycle': 'DeleteBucketLifecycle',
    'GET object-lock': 'GetObjectLockConfiguration',
  },
  object: {
    'PUT ': 'PutObject',
    'HEAD ': 'HeadObject',
    'GET ': 'GetObject',
    'DELETE ': 'DeleteObject',
    'POST uploads': 'CreateMultipartUpload',
    'PUT uploadId': 'UploadPart',
    'POST uploadId': 'CompleteMultipartUpload',
    'DELETE uploadId': 'AbortMultipartUpload',
    'GET retention': 'GetObjectRetention',
    'PUT retention': 'PutObjectRetention',
  },
};

// They select nothing: parameters of an operation, and what SDKs add for their own statistics.
const PARAMETERS = new Set([
  'x-id',
  'partNumber',
  'prefix',
  'start-after',
  'continuation-token',
  'max-keys',
  'encoding-type',
  'key-marker',
  'upload-id-marker',
  'max-uploads',
]);

/** Names the operation by method and query, as S3 does. */
export function operationOf(request: Pick<S3Request, 'method' | 'query' | 'key'>): S3Operation | undefined {
  const selecting = [...request.query.keys()].filter((name) => !PARAMETERS.has(name)).join('&');
  return BY_METHOD[request.key === '' ? 'bucket' : 'object']?.[`${request.method} ${selecting}`];
}

/** Where bucket and key are: in the path, or the bucket as the first label of the host name. */
export function addressOf(host: string, path: string): { readonly bucket: string; readonly key: string } {
  const decoded = decodeURIComponent(path.slice(1));
  const [, bucketOfHost] = /^(.+)\.localhost(?::\d+)?$/.exec(host) ?? [];
  if (bucketOfHost !== undefined) return { bucket: bucketOfHost, key: decoded };
  const slash = decoded.indexOf('/');
  return slash === -1
    ? { bucket: decoded, key: '' }
    : { bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1) };
}
