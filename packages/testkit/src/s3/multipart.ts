import { createHash, randomUUID } from 'node:crypto';
import {
  type Bucket,
  checkWriteConditions,
  empty,
  etagOf,
  keptHeaders,
  type StoredObject,
  type StoredPart,
  type Upload,
  xmlReply,
} from './bucket.ts';
import { algorithmNamed, type ChecksumAlgorithm, checksumOf, readContent } from './content.ts';
import { lockOf } from './object-lock.ts';
import { S3Refusal, type S3Reply, type S3Request } from './protocol.ts';
import { childrenOf, malformed, parseXml, textOf, type XmlElement } from './xml.ts';

const SMALLEST_PART_BYTES = 5 * 1024 * 1024;
const LARGEST_PART_NUMBER = 10_000;

/** CreateMultipartUpload. */
export function createUpload(bucket: Bucket, request: S3Request): S3Reply {
  const named = request.headers['x-amz-checksum-algorithm'];
  const upload: Upload = {
    id: randomUUID(),
    key: request.key,
    headers: keptHeaders(request),
    retention: lockOf(bucket, request.headers),
    algorithm: named === undefined ? undefined : algorithmNamed(String(named)),
    initiatedAt: new Date(),
    parts: new Map(),
  };
  bucket.uploads.set(upload.id, upload);
  return xmlReply('InitiateMultipartUploadResult', {
    Bucket: bucket.name,
    Key: upload.key,
    UploadId: upload.id,
  });
}

function uploadOf(bucket: Bucket, request: S3Request): Upload {
  const upload = bucket.uploads.get(request.query.get('uploadId') ?? '');
  if (upload === undefined || upload.key !== request.key) {
    throw new S3Refusal(
      404,
      'NoSuchUpload',
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
    );
  }
  return upload;
}

/** UploadPart. An upload that was begun with a checksum algorithm takes only parts with such a checksum. */
export function uploadPart(bucket: Bucket, request: S3Request): S3Reply {
  const upload = uploadOf(bucket, request);
  const number = Number(request.query.get('partNumber'));
  if (!Number.isInteger(number) || number < 1 || number > LARGEST_PART_NUMBER) {
    throw new S3Refusal(
      400,
      'InvalidArgument',
      'Part number must be an integer between 1 and 10000, inclusive',
    );
  }
  const { bytes, checksum } = readContent(request);
  if (upload.algorithm !== undefined && checksum?.algorithm !== upload.algorithm) {
    throw new S3Refusal(
      400,
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${upload.algorithm}, actual checksum Type: ${checksum?.algorithm ?? 'null'}`,
    );
  }
  const part: StoredPart = { bytes, etag: etagOf(bytes), checksum: checksum?.value };
  upload.parts.set(number, part);
  return empty(200, {
    etag: part.etag,
    ...(checksum === undefined ? {} : { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value }),
  });
}

/** CompleteMultipartUpload: the object appears with this, whole. A second time the upload is not there any more. */
export function completeUpload(bucket: Bucket, request: S3Request): S3Reply {
  const upload = uploadOf(bucket, request);
  const document = parseXml(readContent(request).bytes, 'CompleteMultipartUpload');
  const parts = chosenParts(upload, childrenOf(document, 'Part'));
  checkWriteConditions(bucket, request);
  const bytes = Buffer.concat(parts.map((part) => part.bytes));
  const md5s = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag.slice(1, -1), 'hex')));
  const object: StoredObject = {
    bytes,
    etag: `"${createHash('md5').update(md5s).digest('hex')}-${parts.length}"`,
    checksum: upload.algorithm && {
      algorithm: upload.algorithm,
      value: composite(upload.algorithm, parts),
      type: 'COMPOSITE',
    },
    headers: upload.headers,
    modifiedAt: upload.initiatedAt,
    retention: upload.retention,
  };
  bucket.objects.set(upload.key, object);
  bucket.uploads.delete(upload.id);
  const result = { Bucket: bucket.name, Key: upload.key, ETag: object.etag };
  const checksum = object.checksum && {
    [`Checksum${object.checksum.algorithm.toUpperCase()}`]: object.checksum.value,
  };
  return xmlReply('CompleteMultipartUploadResult', { ...result, ...checksum });
}

/** The parts that the document lists, each checked against what was uploaded. */
function chosenParts(upload: Upload, listed: readonly XmlElement[]): readonly StoredPart[] {
  if (listed.length === 0) throw malformed();
  const numbers = listed.map((part) => Number(textOf(part, 'PartNumber')));
  if (numbers.some((number, index) => number <= (numbers[index - 1] ?? 0))) {
    throw new S3Refusal(400, 'InvalidPartOrder', 'The list of parts was not in ascending order.');
  }
  return listed.map((element, index) => {
    const part = upload.parts.get(numbers[index] ?? 0);
    if (part === undefined || unquoted(textOf(element, 'ETag')) !== unquoted(part.etag)) {
      throw new S3Refusal(400, 'InvalidPart', 'One or more of the specified parts could not be found.');
    }
    if (upload.algorithm !== undefined) checkPart(upload.algorithm, part, element);
    if (part.bytes.length < SMALLEST_PART_BYTES && index < listed.length - 1) {
      throw new S3Refusal(
        400,
        'EntityTooSmall',
        'Your proposed upload is smaller than the minimum allowed size',
      );
    }
    return part;
  });
}

function checkPart(algorithm: ChecksumAlgorithm, part: StoredPart, element: XmlElement): void {
  const stated = textOf(element, `Checksum${algorithm.toUpperCase()}`);
  if (stated === undefined) {
    throw new S3Refusal(
      400,
      'InvalidRequest',
      `The upload was created using a ${algorithm} checksum. The complete request must include the checksum for each part.`,
    );
  }
  if (stated !== part.checksum) {
    throw new S3Refusal(400, 'InvalidPart', 'One or more of the specified parts could not be found.');
  }
}

function unquoted(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '');
}

function composite(algorithm: ChecksumAlgorithm, parts: readonly StoredPart[]): string {
  const checksums = parts.map(({ checksum }) => Buffer.from(checksum ?? '', 'base64'));
  return `${checksumOf(algorithm, Buffer.concat(checksums))}-${parts.length}`;
}

/** AbortMultipartUpload. */
export function abortUpload(bucket: Bucket, request: S3Request): S3Reply {
  bucket.uploads.delete(uploadOf(bucket, request).id);
  return empty(204);
}
