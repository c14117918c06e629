import {
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { ObjectMissingError } from '../../errors.ts';
import type { ObjectLock, Retention } from '../store.ts';
import type { S3Connection } from './connection.ts';
import { answered } from './failures.ts';

/** The lock of an object, null if it has none. */
async function retentionOf(connection: S3Connection, key: string): Promise<Retention | null> {
  const { bucket: Bucket, prefix, location } = connection;
  const command = new GetObjectRetentionCommand({ Bucket, Key: prefix + key });
  try {
    const { Retention: found } = await connection.call((client, sending) => client.send(command, sending));
    if (found?.RetainUntilDate === undefined) return null;
    return { mode: found.Mode === 'COMPLIANCE' ? 'compliance' : 'governance', until: found.RetainUntilDate };
  } catch (error) {
    if (answered(error, 'NoSuchObjectLockConfiguration')) return null;
    if (answered(error, 'NoSuchKey', 'NotFound'))
      throw new ObjectMissingError(location, key, { cause: error });
    throw error;
  }
}

/** Locks an object for at least so long. A lock that lasts longer stays, whatever its mode. */
export async function retain(connection: S3Connection, key: string, wanted: Retention): Promise<void> {
  const present = await retentionOf(connection, key);
  if (present !== null && present.until >= wanted.until) return;
  const { bucket: Bucket, prefix } = connection;
  const command = new PutObjectRetentionCommand({
    Bucket,
    Key: prefix + key,
    Retention: {
      Mode: wanted.mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE',
      RetainUntilDate: wanted.until,
    },
  });
  await connection.call((client, sending) => client.send(command, sending));
}

// No locks, no idea of them, or no right to ask.
const WITHOUT = [
  'ObjectLockConfigurationNotFoundError',
  'NotImplemented',
  'MethodNotAllowed',
  'AccessDenied',
];

/** The locks of a bucket that has them. */
export async function objectLockOf(connection: S3Connection): Promise<ObjectLock | null> {
  const command = new GetObjectLockConfigurationCommand({ Bucket: connection.bucket });
  try {
    const found = await connection.call((client, sending) => client.send(command, sending));
    if (found.ObjectLockConfiguration?.ObjectLockEnabled !== 'Enabled') return null;
  } catch (error) {
    if (answered(error, ...WITHOUT)) return null;
    throw error;
  }
  return {
    retain: (key, retention) => retain(connection, key, retention),
    retention: (key) => retentionOf(connection, key),
  };
}
