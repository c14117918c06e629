import type { IncomingHttpHeaders } from 'node:http';
import { type Bucket, empty, objectOf, type Retention, xmlReply } from './bucket.ts';
import { readContent, requireDigest } from './content.ts';
import { S3Refusal, type S3Reply, type S3Request } from './protocol.ts';
import { malformed, parseXml, textOf } from './xml.ts';

function retentionOf(mode: string | undefined, until: string | undefined): Retention {
  const date = new Date(until ?? '');
  if ((mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') || Number.isNaN(date.getTime())) throw malformed();
  if (date.getTime() <= Date.now()) {
    throw new S3Refusal(400, 'InvalidArgument', 'The retain until date must be in the future!');
  }
  return { mode, until: date };
}

/** The lock that a request asks for the object it writes. */
export function lockOf(bucket: Bucket, headers: IncomingHttpHeaders): Retention | undefined {
  const mode = headers['x-amz-object-lock-mode'];
  if (mode === undefined) return undefined;
  requireLock(bucket);
  return retentionOf(String(mode), String(headers['x-amz-object-lock-retain-until-date'] ?? ''));
}

/** How an answer states a lock. */
export function lockHeaders(retention: Retention | undefined): Record<string, string> {
  if (retention === undefined) return {};
  return {
    'x-amz-object-lock-mode': retention.mode,
    'x-amz-object-lock-retain-until-date': retention.until.toISOString(),
  };
}

function requireLock(bucket: Bucket): void {
  if (bucket.objectLock) return;
  throw new S3Refusal(400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration');
}

/** GetObjectLockConfiguration. */
export function getLockConfiguration(bucket: Bucket): S3Reply {
  if (!bucket.objectLock) {
    throw new S3Refusal(
      404,
      'ObjectLockConfigurationNotFoundError',
      'Object Lock configuration does not exist for this bucket',
    );
  }
  return xmlReply('ObjectLockConfiguration', { ObjectLockEnabled: 'Enabled' });
}

/** GetObjectRetention. */
export function getRetention(bucket: Bucket, request: S3Request): S3Reply {
  requireLock(bucket);
  const { retention } = objectOf(bucket, request.key);
  if (retention === undefined) {
    throw new S3Refusal(
      404,
      'NoSuchObjectLockConfiguration',
      'The specified object does not have a ObjectLock configuration',
    );
  }
  return xmlReply('Retention', { Mode: retention.mode, RetainUntilDate: retention.until.toISOString() });
}

/** PutObjectRetention: longer always; shorter, or of another mode, only with rights that nobody has here. */
export function putRetention(bucket: Bucket, request: S3Request): S3Reply {
  requireLock(bucket);
  const { bytes, checksum } = readContent(request);
  requireDigest(request, checksum !== undefined);
  const document = parseXml(bytes, 'Retention');
  const wanted = retentionOf(textOf(document, 'Mode'), textOf(document, 'RetainUntilDate'));
  const object = objectOf(bucket, request.key);
  const present = object.retention;
  if (present !== undefined && (wanted.mode !== present.mode || wanted.until < present.until)) {
    throw new S3Refusal(403, 'AccessDenied', 'Access Denied because object protected by object lock.');
  }
  bucket.objects.set(request.key, { ...object, retention: wanted });
  return empty(200);
}
