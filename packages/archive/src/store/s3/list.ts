import {
  AbortMultipartUploadCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3';
import { StoreRefusedError, StoreUnavailableError } from '../../errors.ts';
import { compareKeys } from '../key.ts';
import type { ObjectInfo } from '../store.ts';
import type { S3Connection } from './connection.ts';
import { answered } from './failures.ts';

const MOST_KEYS_PER_DELETE = 1_000;

/** Lists objects page by page, each page when the one before was used up. */
export async function* listObjects(
  connection: S3Connection,
  options: { readonly prefix: string; readonly after?: string; readonly pageSize?: number },
): AsyncGenerator<ObjectInfo> {
  const { bucket: Bucket, prefix, location } = connection;
  const after = options.after === undefined ? {} : { StartAfter: prefix + options.after };
  const limit = options.pageSize === undefined ? {} : { MaxKeys: options.pageSize };
  const request = { Bucket, Prefix: prefix + options.prefix, ...after, ...limit };
  let last = '';
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({ ...request, ...(token && { ContinuationToken: token }) });
    const page: ListObjectsV2CommandOutput = await connection.call((client, sending) =>
      client.send(command, sending),
    );
    for (const { Key = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
      if (compareKeys(Key, last) <= 0) {
        throw new StoreRefusedError(
          `${location} does not list keys in order, which the archive needs: use a general-purpose bucket`,
        );
      }
      last = Key;
      yield { key: Key.slice(prefix.length), sizeBytes: Size, modifiedAt: LastModified };
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

/** Deletes in batches. The answer is 200 also where single keys failed. */
export async function deleteObjects(connection: S3Connection, keys: readonly string[]): Promise<void> {
  const { bucket: Bucket, prefix, location } = connection;
  for (let from = 0; from < keys.length; from += MOST_KEYS_PER_DELETE) {
    const Objects = keys.slice(from, from + MOST_KEYS_PER_DELETE).map((key) => ({ Key: prefix + key }));
    const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
    const { Errors = [] } = await connection.call((client, sending) => client.send(command, sending));
    const [first] = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
    if (first === undefined) continue;
    const problem = `${location}: ${Errors.length} objects were not deleted; ${first.Key}: ${first.Code} ${first.Message}`;
    throw first.Code === 'AccessDenied' ? new StoreRefusedError(problem) : new StoreUnavailableError(problem);
  }
}

/** Aborts multipart uploads that were begun before this instant. */
export async function abortUploads(connection: S3Connection, before: Date): Promise<number> {
  const { bucket: Bucket, prefix: Prefix } = connection;
  let aborted = 0;
  let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {};
  while (marker !== undefined) {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket,
      Prefix,
      ...marker,
    });
    const page: ListMultipartUploadsCommandOutput = await connection.call((client, sending) =>
      client.send(command, sending),
    );
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Initiated === undefined || Initiated >= before) continue;
      if (await abort(connection, { Bucket, Key, UploadId })) aborted += 1;
    }
    const { IsTruncated, NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
    marker = IsTruncated === true ? { KeyMarker, UploadIdMarker } : undefined;
  }
  return aborted;
}

/** Whether this call did it: the upload may have been finished, or aborted by another process. */
async function abort(
  connection: S3Connection,
  upload: {
    readonly Bucket: string;
    readonly Key: string | undefined;
    readonly UploadId: string | undefined;
  },
): Promise<boolean> {
  try {
    await connection.call((client, sending) => client.send(new AbortMultipartUploadCommand(upload), sending));
    return true;
  } catch (error) {
    if (answered(error, 'NoSuchUpload')) return false;
    throw error;
  }
}
