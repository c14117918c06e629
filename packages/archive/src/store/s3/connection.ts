import { setMaxListeners } from 'node:events';
import { S3Client } from '@aws-sdk/client-s3';
import { type ArchiveError, StoreClosedError } from '../../errors.ts';
import { toStoreError } from './failures.ts';

/** Where a bucket is and how to talk to it. */
export interface S3StoreOptions {
  readonly bucket: string;
  /** Below which keys lie; without a slash at its ends, empty for the whole bucket. */
  readonly prefix?: string;
  /** Of a server other than AWS. */
  readonly endpoint?: string | undefined;
  /** By default what the environment or the profile say; with an endpoint of one's own, us-east-1. */
  readonly region?: string | undefined;
  /** How the bucket is named: in the path (the default with an endpoint of one's own) or in the host name. */
  readonly addressing?: 'path' | 'virtual-host' | undefined;
  /** How long a connection may take, or be silent, in milliseconds. */
  readonly timeoutMs?: number;
  /** How often a request is tried, with a growing pause in between. */
  readonly attempts?: number;
}

/** A bucket, or the part of it below a prefix. */
export interface S3Connection {
  readonly location: string;
  readonly bucket: string;
  /** Before every key: empty, or with a slash at its end. */
  readonly prefix: string;
  /**
   * Does something with the client. Whatever goes wrong becomes an ArchiveError, with what the SDK threw as its cause.
   */
  call<Result>(
    run: (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<Result>,
  ): Promise<Result>;
  /** What a failure outside of `call`, such as that of a body, means to users of the store. */
  toError(failure: unknown): ArchiveError;
  close(): void;
}

/**
 * Connects to nothing yet. Credentials come from where all AWS programs look for them: the environment, profiles, web
 * identity, and the metadata service of the container or the instance.
 */
export function createConnection(options: S3StoreOptions): S3Connection {
  const { bucket, endpoint, prefix = '', timeoutMs = 30_000, attempts = 5 } = options;
  const { addressing = endpoint === undefined ? 'virtual-host' : 'path' } = options;
  const region = options.region ?? (endpoint === undefined ? undefined : 'us-east-1');
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    forcePathStyle: addressing === 'path',
    followRegionRedirects: true,
    maxAttempts: attempts,
    retryMode: 'standard',
    requestHandler: { connectionTimeout: timeoutMs, socketTimeout: timeoutMs },
    // Puts state a SHA-256 of their own, and what is read is checked by its reader: parts of an object too.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const location = `s3://${bucket}/${prefix}`;
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);
  const closed = () => new StoreClosedError(`${location} was closed by this process`);
  const toError = (failure: unknown) => (closing.signal.aborted ? closed() : toStoreError(location, failure));
  return {
    location,
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    async call(run) {
      if (closing.signal.aborted) throw closed();
      try {
        return await run(client, { abortSignal: closing.signal });
      } catch (error) {
        throw toError(error);
      }
    },
    toError,
    close() {
      closing.abort();
      client.destroy();
    },
  };
}
