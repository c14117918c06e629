import {
  createTemporaryFolder,
  type S3Front,
  startProxy,
  startS3,
  startS3Front,
  uniquePrefix,
} from '@event-bus/testkit';
import { onTestFinished, vi } from 'vitest';
import type { OpenedStore, StoreFeatures } from '../conformance/index.ts';
import { createFileStore } from '../store/file/index.ts';
import { createS3Store, type S3StoreOptions } from '../store/s3/index.ts';

const BUCKET = 'archive';

/** An S3 server of one test, with what can go wrong in front of it. */
export interface OpenedS3 extends OpenedStore {
  readonly options: S3StoreOptions;
  readonly front: S3Front;
}

/**
 * A store on an S3 server for the running test: on a double, or on a real server in whose bucket TEST_S3_BUCKET at
 * TEST_S3_ENDPOINT the credentials of the environment may do everything.
 */
export async function openS3(options: Partial<S3StoreOptions> = {}): Promise<OpenedS3> {
  const { front, bucket } = await startServer();
  onTestFinished(() => front.stop());
  const proxy = await startProxy(front.port);
  onTestFinished(() => proxy.close());
  const prefix = uniquePrefix();
  const endpoint = `http://127.0.0.1:${proxy.port}`;
  const s3Options = { bucket, prefix, endpoint, ...options };
  const connect = () => {
    const store = createS3Store(s3Options);
    onTestFinished(() => store.close());
    return store;
  };
  const env = { ARCHIVE_URL: `s3://${bucket}/${prefix}`, S3_ENDPOINT: endpoint, ...credentials() };
  return { store: connect(), connect, env, network: { ...front, ...proxy }, options: s3Options, front };
}

async function startServer(): Promise<{ readonly front: S3Front; readonly bucket: string }> {
  const { TEST_S3_ENDPOINT: real, TEST_S3_BUCKET: bucket } = process.env;
  if (real !== undefined && bucket !== undefined) return { front: await startS3Front(real), bucket };
  const server = await startS3({ pageSize: 3 });
  server.createBucket(BUCKET, { objectLock: true });
  for (const [name, value] of Object.entries(server.env))
    if (name.startsWith('AWS_')) vi.stubEnv(name, value);
  return { front: server, bucket: BUCKET };
}

function credentials(): Record<string, string> {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION'];
  return Object.fromEntries(names.map((name) => [name, process.env[name] ?? '']));
}

/** What the S3 server of the tests can do. */
export async function featuresOfS3(): Promise<StoreFeatures> {
  if (process.env.TEST_S3_ENDPOINT === undefined) return { network: true, lifecycle: true, objectLock: true };
  const store = createS3Store({
    bucket: process.env.TEST_S3_BUCKET ?? '',
    endpoint: process.env.TEST_S3_ENDPOINT,
  });
  const { lifecycle, objectLock } = await store.capabilities();
  await store.close();
  return { network: true, lifecycle: lifecycle !== null, objectLock: objectLock !== null };
}

/** A store in a folder of the running test. */
export async function openFiles(): Promise<OpenedStore & { readonly path: string }> {
  const folder = createTemporaryFolder('archive');
  onTestFinished(() => folder.remove());
  const connect = () => {
    const store = createFileStore({ path: folder.path });
    onTestFinished(() => store.close());
    return store;
  };
  const env = { ARCHIVE_URL: `file://${folder.path}` };
  return { store: connect(), connect, env, network: undefined, path: folder.path };
}
