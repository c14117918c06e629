import { createServer } from 'node:http';
import {
  GetBucketLifecycleConfigurationCommand,
  HeadObjectCommand,
  type LifecycleRule,
  PutBucketLifecycleConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { eventually, resolveLocalhostNames } from '@event-bus/testkit';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { testArchiveStore } from '../../conformance/index.ts';
import { keysOf, putAll, textContent, textOf, when } from '../../conformance/setup.ts';
import { StoreRefusedError } from '../../errors.ts';
import { featuresOfS3, openS3 } from '../../testing/open-stores.ts';
import { createS3Store } from './index.ts';

const features = await featuresOfS3();
const isDouble = process.env.TEST_S3_ENDPOINT === undefined;

testArchiveStore('on S3', openS3, features);

/** Serves answers of a server that is no S3. */
async function serve(
  answer: (path: string, method: string) => { status?: number; body: string },
): Promise<string> {
  const server = createServer((request, response) => {
    const { status = 200, body } = answer(request.url ?? '', request.method ?? '');
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

describe('an S3 store', () => {
  test('sees what is below its prefix, and nothing else of the bucket', async () => {
    const { store, options } = await openS3();
    const below = createS3Store({ ...options, prefix: `${options.prefix}/a` });
    const beside = createS3Store({ ...options, prefix: `${options.prefix}/ab` });
    onTestFinished(() => Promise.all([below.close(), beside.close()]).then(() => undefined));
    await putAll(beside, ['k']);
    await putAll(below, ['k']);

    expect(await keysOf(store.list({ prefix: '' }))).toEqual(['a/k', 'ab/k']);
    expect(await keysOf(below.list({ prefix: '' }))).toEqual(['k']);
    await below.delete(['k']);
    expect(await keysOf(store.list({ prefix: '' }))).toEqual(['ab/k']);
  });

  test.each([
    ['whole', 10],
    ['in parts', 9 * 1024 * 1024],
  ])('shows beside an object that was put %s what was said of it', async (_, bytes) => {
    const { store, options } = await openS3();
    const client = new S3Client({
      endpoint: options.endpoint ?? '',
      forcePathStyle: true,
      region: 'us-east-1',
    });
    onTestFinished(() => client.destroy());

    await store.put('k', textContent('x'.repeat(bytes)), { metadata: { count: '3', 'first-id': '1-0' } });

    const key = { Bucket: options.bucket, Key: `${options.prefix}/k` };
    const { Metadata } = await client.send(new HeadObjectCommand(key));
    expect(Metadata).toEqual({ count: '3', 'first-id': '1-0' });
  });

  test('names the bucket in the host name where that is wanted', async () => {
    const { front } = await openS3();
    onTestFinished(resolveLocalhostNames());
    const endpoint = front.endpoint.replace('127.0.0.1', 'localhost');
    const { store, options } = await openS3({ endpoint, addressing: 'virtual-host' });

    await store.put('a/k', textContent('content'));

    expect(await textOf(store, 'a/k')).toBe('content');
    expect(front.requests()).toContainEqual({
      operation: 'PutObject',
      bucket: options.bucket,
      key: `${options.prefix}/a/k`,
      status: 200,
    });
  });

  // A real server would want a session of its own.
  when(isDouble)('gets its credentials from the instance it runs on', async () => {
    const { store } = await openS3();
    const { AWS_ACCESS_KEY_ID: AccessKeyId, AWS_SECRET_ACCESS_KEY: SecretAccessKey } = process.env;
    const role = {
      Code: 'Success',
      AccessKeyId,
      SecretAccessKey,
      Expiration: '2999-01-01T00:00:00Z',
      Token: 'token',
    };
    const metadata = await serve((path) => {
      if (path.endsWith('/api/token')) return { body: 'session' };
      return path.endsWith('/archiver') ? { body: JSON.stringify(role) } : { body: 'archiver' };
    });
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', metadata);
    onTestFinished(() => void vi.unstubAllEnvs());

    // The SDK gives the instance a second for each answer, and asks no second time.
    await eventually(() => store.put('k', textContent('content')));

    expect(await textOf(store, 'k')).toBe('content');
  });

  when(features.lifecycle)('leaves the lifecycle rules of others as they are', async () => {
    const { store, options } = await openS3();
    const { lifecycle } = await store.capabilities();
    const client = new S3Client({
      endpoint: options.endpoint ?? '',
      forcePathStyle: true,
      region: 'us-east-1',
    });
    onTestFinished(() => client.destroy());
    const Bucket = options.bucket;
    const theirs: LifecycleRule = {
      ID: 'theirs',
      Status: 'Disabled',
      Filter: { And: { Prefix: 'x/', ObjectSizeGreaterThan: 5 } },
      Transitions: [{ Days: 30, StorageClass: 'GLACIER_IR' }],
    };
    await client.send(
      new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [theirs] } }),
    );

    await lifecycle?.setRules([{ id: 'a', prefix: 'stream=a/', days: 90 }]);
    const both = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    await lifecycle?.setRules([]);
    const alone = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));

    expect(both.Rules).toEqual([
      theirs,
      expect.objectContaining({
        Status: 'Enabled',
        Filter: { Prefix: `${options.prefix}/stream=a/` },
        Expiration: { Days: 90 },
        NoncurrentVersionExpiration: { NoncurrentDays: 1 },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
      }),
    ]);
    expect(alone.Rules).toEqual([theirs]);
  });
});

describe('an S3 store that cannot work says why', () => {
  test('without its bucket', async () => {
    const { options } = await openS3();
    const store = createS3Store({ ...options, bucket: 'missing-bucket' });

    await expect(store.ping()).rejects.toThrow(StoreRefusedError);
    await expect(store.put('k', textContent('k'))).rejects.toThrow(
      /s3:\/\/missing-bucket\/.* refused \(404 NoSuchBucket .*\): the bucket of ARCHIVE_URL does not exist/,
    );
  });

  test('with a wrong secret', async () => {
    const { store } = await openS3();
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong');
    onTestFinished(() => void vi.unstubAllEnvs());

    await expect(store.ping()).rejects.toThrow(/SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY/);
    await expect(store.put('k', textContent('k'))).rejects.toThrow(/403.*lack a right/);
  });

  test('without credentials', async () => {
    const { store } = await openS3();
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/missing');
    vi.stubEnv('AWS_CONFIG_FILE', '/missing');
    onTestFinished(() => void vi.unstubAllEnvs());

    await expect(store.ping()).rejects.toThrow(StoreRefusedError);
    await expect(store.ping()).rejects.toThrow(/no credentials were found/);
  });

  test('without a region', async () => {
    vi.stubEnv('AWS_REGION', undefined);
    vi.stubEnv('AWS_CONFIG_FILE', '/missing');
    onTestFinished(() => void vi.unstubAllEnvs());

    await expect(createS3Store({ bucket: 'somewhere' }).ping()).rejects.toThrow(/set AWS_REGION/);
  });

  test('on a server that lists keys out of order', async () => {
    const key = (name: string) => `<Contents><Key>${name}</Key><Size>1</Size></Contents>`;
    const body = `<ListBucketResult>${key('b')}${key('a')}<IsTruncated>false</IsTruncated></ListBucketResult>`;
    const { options } = await openS3({ endpoint: await serve(() => ({ body })), prefix: '' });
    const store = createS3Store(options);

    await expect(keysOf(store.list({ prefix: '' }))).rejects.toThrow(/does not list keys in order/);
  });

  test('on a server that does not answer ranges', async () => {
    const { options } = await openS3({ endpoint: await serve(() => ({ body: 'all of it' })) });
    const store = createS3Store(options);

    await expect(store.get('k', { start: 3 })).rejects.toThrow(/does not answer ranges/);
  });

  test('on a server that cannot delete an object', async () => {
    const error = (Code: string) => `<Error><Key>a</Key><Code>${Code}</Code><Message>no</Message></Error>`;
    let code = 'AccessDenied';
    const endpoint = await serve(() => ({ body: `<DeleteResult>${error(code)}</DeleteResult>` }));
    const { options } = await openS3({ endpoint });
    const store = createS3Store(options);

    await expect(store.delete(['a'])).rejects.toMatchObject({ code: 'store_refused' });
    code = 'InternalError';
    await expect(store.delete(['a'])).rejects.toMatchObject({ code: 'store_unavailable' });
  });
});
