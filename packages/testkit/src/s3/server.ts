import { request as httpRequest, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { type Bucket, createBucket } from './bucket.ts';
import { createDouble } from './double.ts';
import { type S3Front, startFront } from './front.ts';
import type { S3Backend, S3Reply } from './protocol.ts';
import type { S3Credentials } from './signature.ts';

/** What can be said about an S3 server before it starts. */
export interface S3Options {
  /** Most keys per page of a list; 1,000 as in S3 by default. */
  readonly pageSize?: number;
  /** How far its clock is ahead of this process's (behind, if negative), in milliseconds. */
  readonly clockSkewMs?: number;
}

/** An S3 server of one's own: strict, in memory, of the operations that an archive needs. */
export interface S3Server extends S3Front {
  readonly credentials: S3Credentials;
  /** S3_ENDPOINT and the AWS_* variables with which a process reaches it. */
  readonly env: Readonly<Record<string, string>>;
  createBucket(name: string, options?: { readonly objectLock?: boolean }): void;
  /** The keys in a bucket, in no order. */
  keys(bucket: string): readonly string[];
  /** The bytes under a key, past all signatures and checks. */
  bytes(bucket: string, key: string): Buffer | undefined;
  /** Puts other bytes under a key, as a failing disk would: ETag and checksums still speak of the old ones. */
  damage(bucket: string, key: string, change: (bytes: Buffer) => Buffer): void;
  /** How many multipart uploads are neither complete nor aborted. */
  unfinishedUploads(bucket: string): number;
}

const CREDENTIALS: S3Credentials = { accessKeyId: 'test-access-key', secretAccessKey: 'test-secret-key' };

/**
 * Starts a double of S3 on a free port of 127.0.0.1, with path-style addresses, and virtual-host ones under
 * `<bucket>.localhost`. It checks signatures (version 4), payload hashes and checksums, keeps what S3 keeps, refuses
 * what S3 refuses, and answers 501 to whatever it does not know.
 */
export async function startS3(options: S3Options = {}): Promise<S3Server> {
  const { pageSize = 1_000, clockSkewMs = 0 } = options;
  const buckets = new Map<string, Bucket>();
  const front = await startFront(createDouble(buckets, { credentials: CREDENTIALS, pageSize, clockSkewMs }));
  const bucketNamed = (name: string): Bucket => {
    const bucket = buckets.get(name);
    if (bucket === undefined) throw new Error(`There is no bucket ${name}: create it first.`);
    return bucket;
  };
  return {
    ...front,
    credentials: CREDENTIALS,
    env: {
      S3_ENDPOINT: front.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    },
    createBucket(name, bucketOptions = {}) {
      buckets.set(name, createBucket(name, bucketOptions));
    },
    keys: (name) => [...bucketNamed(name).objects.keys()],
    bytes: (name, key) => bucketNamed(name).objects.get(key)?.bytes,
    damage(name, key, change) {
      const { objects } = bucketNamed(name);
      const object = objects.get(key);
      if (object === undefined) throw new Error(`There is nothing under ${key} in ${name}.`);
      objects.set(key, { ...object, bytes: change(object.bytes) });
    },
    unfinishedUploads: (name) => bucketNamed(name).uploads.size,
  };
}

/** Starts an address in front of a real S3 server (`http://host:port`), at which requests can go wrong. */
export function startS3Front(target: string): Promise<S3Front> {
  return startFront(forwardTo(new URL(target)));
}

// They speak of one connection, not of what is carried.
const HOP_BY_HOP = ['connection', 'expect', 'keep-alive', 'transfer-encoding'];

/** The Host header goes along as it came: it is part of what the client has signed. */
function forwardTo(target: URL): S3Backend {
  return async ({ method, target: path, headers, body }) => {
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method, path, host: target.hostname, port: target.port, headers: without(headers) };
      httpRequest(options, resolve).once('error', reject).end(body);
    });
    const reply: S3Reply = {
      status: incoming.statusCode ?? 502,
      headers: without(incoming.headers),
      body: await buffer(incoming),
    };
    return reply;
  };
}

function without<Value>(headers: Readonly<Record<string, Value | undefined>>): Record<string, Value> {
  const kept = Object.entries(headers).filter(
    ([name, value]) => !HOP_BY_HOP.includes(name) && value !== undefined,
  );
  return Object.fromEntries(kept) as Record<string, Value>;
}
