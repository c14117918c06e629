import { type Bucket, createBucket, empty, xmlReply } from './bucket.ts';
import { deleteLifecycle, getLifecycle, putLifecycle } from './lifecycle.ts';
import { listObjects, listUploads } from './listing.ts';
import { abortUpload, completeUpload, createUpload, uploadPart } from './multipart.ts';
import { getLockConfiguration, getRetention, putRetention } from './object-lock.ts';
import { deleteObject, deleteObjects, getObject, putObject } from './objects.ts';
import { type S3Backend, type S3Operation, S3Refusal, type S3Reply, type S3Request } from './protocol.ts';
import { checkSignature, type S3Credentials } from './signature.ts';

/** How the double behaves. */
export interface DoubleOptions {
  readonly credentials: S3Credentials;
  /** Most keys per page of a list. */
  readonly pageSize: number;
  /** How far the clock of the server is ahead of this process's, in milliseconds. */
  readonly clockSkewMs: number;
}

type Handler = (bucket: Bucket, request: S3Request, options: DoubleOptions) => S3Reply;

const HANDLERS: Readonly<Record<Exclude<S3Operation, 'CreateBucket'>, Handler>> = {
  AbortMultipartUpload: abortUpload,
  CompleteMultipartUpload: completeUpload,
  CreateMultipartUpload: createUpload,
  DeleteBucketLifecycle: deleteLifecycle,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  GetBucketLifecycleConfiguration: getLifecycle,
  GetObject: getObject,
  GetObjectLockConfiguration: getLockConfiguration,
  GetObjectRetention: getRetention,
  HeadBucket: () => empty(200),
  HeadObject: getObject,
  ListMultipartUploads: (bucket, request, { pageSize }) => listUploads(bucket, request, pageSize),
  ListObjectsV2: (bucket, request, { pageSize }) => listObjects(bucket, request, pageSize),
  PutBucketLifecycleConfiguration: putLifecycle,
  PutObject: putObject,
  PutObjectRetention: putRetention,
  UploadPart: uploadPart,
};

/** A backend that keeps buckets in memory and refuses whatever S3 refuses, or does not know itself. */
export function createDouble(buckets: Map<string, Bucket>, options: DoubleOptions): S3Backend {
  return async (request) => {
    const nowMs = Date.now() + options.clockSkewMs;
    const { headers, ...reply } = answerOrRefuse(request, nowMs);
    // Clients that are refused for their clock set it by this.
    return { ...reply, headers: { ...headers, date: new Date(nowMs).toUTCString() } };
  };

  function answerOrRefuse(request: S3Request, nowMs: number): S3Reply {
    try {
      checkSignature(request, options.credentials, nowMs);
      return answer(buckets, request, options);
    } catch (error) {
      if (error instanceof S3Refusal) return refusal(error, request);
      throw error;
    }
  }
}

function answer(buckets: Map<string, Bucket>, request: S3Request, options: DoubleOptions): S3Reply {
  const { operation, method, target } = request;
  if (operation === undefined) {
    throw new S3Refusal(501, 'NotImplemented', `This double does not know ${method} ${target}.`);
  }
  if (operation === 'CreateBucket') {
    const objectLock = request.headers['x-amz-bucket-object-lock-enabled'] === 'true';
    if (!buckets.has(request.bucket))
      buckets.set(request.bucket, createBucket(request.bucket, { objectLock }));
    return empty(200);
  }
  const bucket = buckets.get(request.bucket);
  if (bucket === undefined) throw new S3Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist');
  return HANDLERS[operation](bucket, request, options);
}

/** A refusal as S3 writes it; the answer to HEAD has no body. */
export function refusal({ status, code, message }: S3Refusal, request: Pick<S3Request, 'method'>): S3Reply {
  if (request.method === 'HEAD') return empty(status);
  return xmlReply('Error', { Code: code, Message: message, RequestId: 'double' }, {}, status);
}
