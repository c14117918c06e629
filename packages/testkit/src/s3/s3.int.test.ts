import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { resolveLocalhostNames } from '../localhost-names.ts';
import { type S3Options, startS3, startS3Front } from './server.ts';

const MIB = 1024 * 1024;
const Bucket = 'events';

async function setup(options: S3Options = {}) {
  const server = await startS3(options);
  server.createBucket(Bucket);
  onTestFinished(() => server.stop());
  const connect = (config: S3ClientConfig = {}) => {
    const client = new S3Client({
      endpoint: server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: server.credentials,
      maxAttempts: 1,
      ...config,
    });
    onTestFinished(() => client.destroy());
    return client;
  };
  return { server, connect, client: connect() };
}

/** Has the client send another value of a header than the one that it computed, before or after it has signed. */
function forge(client: S3Client, header: string, value: string, when: 'before' | 'after'): void {
  const forged =
    <Args extends { readonly request: unknown }, Output>(next: (args: Args) => Output) =>
    (args: Args): Output => {
      (args.request as { headers: Record<string, string> }).headers[header] = value;
      return next(args);
    };
  if (when === 'before') client.middlewareStack.add(forged, { step: 'build', priority: 'low' });
  else client.middlewareStack.add(forged, { step: 'deserialize' });
}

const put = (Key: string, Body: Buffer | string) => new PutObjectCommand({ Bucket, Key, Body });
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64');

async function read(client: S3Client, Key: string, Range?: string): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...(Range && { Range }) }));
  return (await Body?.transformToString()) ?? '';
}

describe('what is stored', () => {
  test('comes back with its type, its metadata and its checksum', async () => {
    const { client } = await setup();
    const Body = Buffer.from('some bytes');
    const Metadata = { count: '3' };

    await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'a b/ü=%3A+&.gz',
        Body,
        Metadata,
        ContentType: 'application/gzip',
        ChecksumSHA256: sha256(Body),
      }),
    );

    expect(
      await client.send(new HeadObjectCommand({ Bucket, Key: 'a b/ü=%3A+&.gz', ChecksumMode: 'ENABLED' })),
    ).toMatchObject({
      ContentLength: 10,
      ContentType: 'application/gzip',
      Metadata,
      ChecksumSHA256: sha256(Body),
      ChecksumType: 'FULL_OBJECT',
    });
    expect(await read(client, 'a b/ü=%3A+&.gz')).toBe('some bytes');
  });

  test('is the content of a streamed body, not its chunked framing', async () => {
    const { client, server } = await setup();
    const bytes = Buffer.alloc(200_000, 'x');

    await client.send(
      new PutObjectCommand({ Bucket, Key: 'k', Body: Readable.from([bytes]), ContentLength: bytes.length }),
    );

    expect(server.bytes(Bucket, 'k')?.equals(bytes)).toBe(true);
  });

  test('can be read in part', async () => {
    const { client } = await setup();
    await client.send(put('k', '0123456789'));

    expect(await read(client, 'k', 'bytes=2-4')).toBe('234');
    expect(await read(client, 'k', 'bytes=7-')).toBe('789');
    expect(await read(client, 'k', 'bytes=-2')).toBe('89');
    await expect(read(client, 'k', 'bytes=10-')).rejects.toThrow(
      expect.objectContaining({ name: 'InvalidRange' }),
    );
  });

  test('is reached by virtual-host addresses too', async () => {
    const { server, connect } = await setup();
    onTestFinished(resolveLocalhostNames());
    const endpoint = `http://localhost:${server.port}`;

    await connect({ endpoint, forcePathStyle: false }).send(put('a/k', 'content'));

    expect(await read(connect(), 'a/k')).toBe('content');
  });

  test('is not overwritten where that is a condition', async () => {
    const { client } = await setup();
    const { ETag } = await client.send(
      new PutObjectCommand({ Bucket, Key: 'k', Body: 'one', IfNoneMatch: '*' }),
    );

    const second = client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'two', IfNoneMatch: '*' }));

    await expect(second).rejects.toMatchObject({ name: 'PreconditionFailed' });
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'two', IfMatch: ETag }));
    expect(await read(client, 'k')).toBe('two');
  });

  test('is listed by the bytes of its key, page by page', async () => {
    const { client } = await setup({ pageSize: 2 });
    const keys = ['a/b', 'a.b', 'a/a', 'b', 'a/\u{1F600}', 'a/\uFF5E'];
    for (const key of keys) await client.send(put(key, key));

    const found: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket, Prefix: 'a', ...(ContinuationToken && { ContinuationToken }) }),
      );
      expect(page.KeyCount).toBeLessThan(3);
      found.push(...(page.Contents ?? []).map(({ Key }) => Key));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);

    expect(found).toEqual(['a.b', 'a/a', 'a/b', 'a/\uFF5E', 'a/\u{1F600}']);
  });

  test('is deleted, also if it is not there', async () => {
    const { client, server } = await setup();
    await client.send(put('a&b', '1'));

    const Objects = [{ Key: 'a&b' }, { Key: 'missing' }];
    const { Errors } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));

    expect(Errors).toBeUndefined();
    expect(server.keys(Bucket)).toEqual([]);
  });
});

describe('a multipart upload', () => {
  const begin = async (client: S3Client) => {
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key: 'k', ChecksumAlgorithm: 'SHA256' }),
    );
    const part = async (PartNumber: number, Body: Buffer) => {
      const ChecksumSHA256 = sha256(Body);
      const { ETag } = await client.send(
        new UploadPartCommand({ Bucket, Key: 'k', UploadId, PartNumber, Body, ChecksumSHA256 }),
      );
      return { PartNumber, ETag, ChecksumSHA256 };
    };
    const complete = (Parts: Awaited<ReturnType<typeof part>>[], IfNoneMatch?: string) =>
      client.send(
        new CompleteMultipartUploadCommand({
          Bucket,
          Key: 'k',
          UploadId,
          MultipartUpload: { Parts },
          ...(IfNoneMatch && { IfNoneMatch }),
        }),
      );
    return { UploadId, part, complete };
  };

  test('becomes an object when it is complete, with a checksum of its checksums', async () => {
    const { client, server } = await setup();
    const { part, complete } = await begin(client);
    const [first, second] = [Buffer.alloc(5 * MIB, 1), Buffer.from('rest')];
    const parts = [await part(1, first), await part(2, second)];
    expect(server.keys(Bucket)).toEqual([]);

    const { ChecksumSHA256 } = await complete(parts);

    const digests = parts.map((one) => Buffer.from(one.ChecksumSHA256, 'base64'));
    expect(ChecksumSHA256).toBe(`${sha256(Buffer.concat(digests))}-2`);
    expect(server.bytes(Bucket, 'k')?.equals(Buffer.concat([first, second]))).toBe(true);
    await expect(complete(parts)).rejects.toMatchObject({ name: 'NoSuchUpload' });
  });

  test('is refused with parts that are too small, out of order, or without their checksum', async () => {
    const { client } = await setup();
    const { part, complete } = await begin(client);
    const [one, two] = [await part(1, Buffer.from('small')), await part(2, Buffer.from('rest'))];

    await expect(complete([one, two])).rejects.toMatchObject({ name: 'EntityTooSmall' });
    await expect(complete([two, one])).rejects.toMatchObject({ name: 'InvalidPartOrder' });
    await expect(complete([{ ...one, ETag: '"other"' }])).rejects.toMatchObject({ name: 'InvalidPart' });
    const { ChecksumSHA256: _, ...unchecked } = one;
    await expect(complete([unchecked as typeof one])).rejects.toMatchObject({ name: 'InvalidRequest' });
  });

  test('does not overwrite where that is a condition', async () => {
    const { client } = await setup();
    const { part, complete } = await begin(client);
    const one = await part(1, Buffer.from('late'));
    await client.send(put('k', 'early'));

    await expect(complete([one], '*')).rejects.toMatchObject({ name: 'PreconditionFailed' });
    expect(await read(client, 'k')).toBe('early');
  });

  test('is listed until it is aborted', async () => {
    const { client, server } = await setup({ pageSize: 1 });
    const [first, second] = [await begin(client), await begin(client)];

    const page = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'k' }));
    expect(page).toMatchObject({ IsTruncated: true, Uploads: [{ Key: 'k', UploadId: first.UploadId }] });
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
    const rest = await client.send(new ListMultipartUploadsCommand({ Bucket, KeyMarker, UploadIdMarker }));
    expect(rest).toMatchObject({ IsTruncated: false, Uploads: [{ UploadId: second.UploadId }] });

    for (const { UploadId } of [first, second]) {
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'k', UploadId }));
    }
    expect(server.unfinishedUploads(Bucket)).toBe(0);
  });
});

describe('settings of a bucket', () => {
  const rule = { ID: 'cold', Status: 'Enabled', Filter: { Prefix: 'p/' }, Expiration: { Days: 90 } } as const;

  test('lifecycle rules are replaced as a whole, and there may be none', async () => {
    const { client } = await setup();
    const get = () => client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    const set = (...Rules: (typeof rule)[]) =>
      client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
    await expect(get()).rejects.toMatchObject({ name: 'NoSuchLifecycleConfiguration' });

    await set({ ...rule, ID: 'other' as 'cold' });
    await set(rule);

    expect((await get()).Rules).toEqual([rule]);
    await expect(set(rule, rule)).rejects.toMatchObject({ name: 'InvalidArgument' });
  });

  test('an object can be locked only where the bucket has locks, and in compliance mode never shorter', async () => {
    const { client, server } = await setup();
    server.createBucket('locked', { objectLock: true });
    const day = 86_400_000;
    const until = (days: number) => new Date(Math.ceil(Date.now() / 1000) * 1000 + days * day);
    const lock = (bucket: string, days: number) =>
      client.send(
        new PutObjectRetentionCommand({
          Bucket: bucket,
          Key: 'k',
          Retention: { Mode: 'COMPLIANCE', RetainUntilDate: until(days) },
        }),
      );

    await client.send(put('k', '1'));
    await expect(lock(Bucket, 1)).rejects.toMatchObject({ name: 'InvalidRequest' });
    await expect(client.send(new GetObjectLockConfigurationCommand({ Bucket }))).rejects.toMatchObject({
      name: 'ObjectLockConfigurationNotFoundError',
    });
    await client.send(
      new PutObjectCommand({
        Bucket: 'locked',
        Key: 'k',
        Body: '1',
        ObjectLockMode: 'COMPLIANCE',
        ObjectLockRetainUntilDate: until(2),
      }),
    );
    await lock('locked', 3);
    await expect(lock('locked', 1)).rejects.toMatchObject({ name: 'AccessDenied' });
    const found = await client.send(new GetObjectRetentionCommand({ Bucket: 'locked', Key: 'k' }));
    expect(found.Retention?.Mode).toBe('COMPLIANCE');
    expect(found.Retention?.RetainUntilDate?.getTime()).toBeGreaterThan(until(2).getTime());
  });
});

describe('the double refuses', () => {
  test.each([
    ['an unknown key', { accessKeyId: 'other', secretAccessKey: 'x' }, 'InvalidAccessKeyId'],
    ['a wrong secret', { accessKeyId: 'test-access-key', secretAccessKey: 'x' }, 'SignatureDoesNotMatch'],
  ])('%s', async (_, credentials, name) => {
    const { connect, server } = await setup();

    await expect(connect({ credentials }).send(put('k', '1'))).rejects.toMatchObject({ name });
    expect(server.keys(Bucket)).toEqual([]);
  });

  test.each([
    ['a header that was changed after it was signed', 'x-amz-meta-a', 'SignatureDoesNotMatch'],
    ['a header of S3 that was not signed', 'x-amz-tagging', 'AccessDenied'],
    ['a payload other than the signed one', 'x-amz-content-sha256', 'SignatureDoesNotMatch'],
  ])('%s', async (_, header, name) => {
    const { client } = await setup();
    forge(client, header, 'forged', 'after');

    const sent = client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: '1', Metadata: { a: 'b' } }));

    await expect(sent).rejects.toMatchObject({ name });
  });

  test.each([
    ['a wrong SHA-256', 'x-amz-checksum-sha256', sha256(Buffer.from('other'))],
    ['a wrong CRC32', 'x-amz-checksum-crc32', 'AAAAAA=='],
    ['a wrong MD5', 'content-md5', createHash('md5').update('other').digest('base64')],
  ])('%s', async (_, header, value) => {
    const { connect, server } = await setup();
    const client = connect({ requestChecksumCalculation: 'WHEN_REQUIRED' });
    forge(client, header, value, 'before');

    await expect(client.send(put('k', '1'))).rejects.toMatchObject({ name: 'BadDigest' });
    expect(server.keys(Bucket)).toEqual([]);
  });

  test('a clock that is far off, which the SDK then corrects', async () => {
    const { connect } = await setup({ clockSkewMs: 3_600_000 });

    await expect(connect().send(put('k', '1'))).rejects.toMatchObject({ name: 'RequestTimeTooSkewed' });
    await connect({ maxAttempts: 2 }).send(put('k', '1'));
  });

  test('what it does not know, loudly', async () => {
    const { client } = await setup();

    const sent = client.send(new PutObjectAclCommand({ Bucket, Key: 'k', ACL: 'private' }));

    await expect(sent).rejects.toMatchObject({ name: 'NotImplemented' });
  });

  test('a bucket and a key that are not there', async () => {
    const { client } = await setup();

    await expect(read(client, 'missing')).rejects.toMatchObject({ name: 'NoSuchKey' });
    const elsewhere = new PutObjectCommand({ Bucket: 'missing', Key: 'k', Body: '1' });
    await expect(client.send(elsewhere)).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(client.send(new HeadObjectCommand({ Bucket, Key: 'missing' }))).rejects.toMatchObject({
      name: 'NotFound',
    });
  });
});

describe.each(['in front of the double', 'in front of another server'])('a fault %s', (where) => {
  async function faulty() {
    const { server, connect } = await setup();
    if (where === 'in front of the double') return { server, front: server, client: connect() };
    const front = await startS3Front(server.endpoint);
    onTestFinished(() => front.stop());
    return { server, front, client: connect({ endpoint: front.endpoint }) };
  }

  test('hits only what it is meant for, as often as it is meant to', async () => {
    const { front, client, server } = await faulty();
    const fault = { kind: 'error', status: 503, code: 'SlowDown' } as const;
    const injected = front.inject(fault, { operation: 'PutObject', key: 'slow', times: 2 });

    await client.send(put('quick', '1'));
    for (let i = 0; i < 2; i += 1) {
      await expect(client.send(put('slow', '1'))).rejects.toMatchObject({ name: 'SlowDown' });
    }
    await client.send(put('slow', '1'));

    expect(injected.hits()).toBe(2);
    expect(server.keys(Bucket)).toEqual(['quick', 'slow']);
  });

  test('can break the connection before or after it is done', async () => {
    const { front, client, server } = await faulty();
    front.inject({ kind: 'cut-request' }, { operation: 'PutObject', key: 'before' });
    front.inject({ kind: 'lose-reply' }, { operation: 'PutObject', key: 'after' });

    await expect(client.send(put('before', '1'))).rejects.toThrow();
    await expect(client.send(put('after', '1'))).rejects.toThrow();

    expect(server.keys(Bucket)).toEqual(['after']);
  });

  test('can alter the content on its way', async () => {
    const { front, client, server } = await faulty();
    front.inject({ kind: 'flip-request-bit' }, { operation: 'PutObject' });
    await expect(client.send(put('k', '0000'))).rejects.toMatchObject({ name: 'XAmzContentSHA256Mismatch' });
    expect(server.keys(Bucket)).toEqual([]);
    await client.send(put('k', '0000'));

    front.inject({ kind: 'truncate-reply', toBytes: 2 });
    expect(await read(client, 'k', 'bytes=0-')).toBe('00');
    front.inject({ kind: 'flip-reply-bit' });
    expect(await read(client, 'k', 'bytes=0-')).toBe('0010');
    front.inject({ kind: 'cut-reply', afterBytes: 2 });
    await expect(read(client, 'k')).rejects.toThrow(/aborted/);
  });

  test('can hold a request back', async () => {
    const { front, client, server } = await faulty();
    const { promise: until, resolve: release } = Promise.withResolvers<void>();
    front.inject({ kind: 'hold', until }, { key: 'held' });

    const held = client.send(put('held', '1'));
    await client.send(put('other', '1'));
    expect(server.keys(Bucket)).toEqual(['other']);
    release();
    await held;

    expect(server.keys(Bucket)).toEqual(['other', 'held']);
  });
});
