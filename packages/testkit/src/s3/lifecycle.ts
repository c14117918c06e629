import { type Bucket, empty } from './bucket.ts';
import { readContent, requireDigest } from './content.ts';
import { S3Refusal, type S3Reply, type S3Request } from './protocol.ts';
import { childrenOf, malformed, parseXml, textOf, type XmlElement } from './xml.ts';

const MOST_RULES = 1_000;

/** GetBucketLifecycleConfiguration: the document as it was put. */
export function getLifecycle(bucket: Bucket): S3Reply {
  if (bucket.lifecycle === undefined) {
    throw new S3Refusal(404, 'NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist');
  }
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: bucket.lifecycle };
}

/** PutBucketLifecycleConfiguration: replaces all rules there are. */
export function putLifecycle(bucket: Bucket, request: S3Request): S3Reply {
  const { bytes, checksum } = readContent(request);
  requireDigest(request, checksum !== undefined);
  const rules = childrenOf(parseXml(bytes, 'LifecycleConfiguration'), 'Rule');
  const ids = rules.map((rule) => textOf(rule, 'ID'));
  if (rules.length === 0 || rules.length > MOST_RULES || !rules.every(isRule)) throw malformed();
  if (new Set(ids).size < ids.length) {
    throw new S3Refusal(
      400,
      'InvalidArgument',
      'Rule ID must be unique. Found same ID for more than one rule',
    );
  }
  bucket.lifecycle = bytes;
  return empty(200);
}

function isRule(rule: XmlElement): boolean {
  const status = textOf(rule, 'Status');
  const [filter] = childrenOf(rule, 'Filter');
  const expirations = childrenOf(rule, 'Expiration').map((expiration) => textOf(expiration, 'Days'));
  return (
    (textOf(rule, 'ID') ?? '').length <= 255 &&
    (status === 'Enabled' || status === 'Disabled') &&
    filter !== undefined &&
    expirations.every((days) => days === undefined || /^[1-9]\d*$/.test(days))
  );
}

/** DeleteBucketLifecycle. */
export function deleteLifecycle(bucket: Bucket): S3Reply {
  bucket.lifecycle = undefined;
  return empty(204);
}
