import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  DeleteBucketLifecycleCommand,
  GetBucketLifecycleConfigurationCommand,
  PutBucketLifecycleConfigurationCommand,
  type LifecycleRule as S3Rule,
  type TransitionDefaultMinimumObjectSize,
} from '@aws-sdk/client-s3';
import type { Lifecycle, LifecycleRule } from '../store.ts';
import type { S3Connection } from './connection.ts';
import { answered } from './failures.ts';

const UNFINISHED_DAYS = 7;

interface Configuration {
  readonly rules: readonly S3Rule[];
  readonly smallest: TransitionDefaultMinimumObjectSize | undefined;
}

async function readConfiguration(connection: S3Connection): Promise<Configuration> {
  const command = new GetBucketLifecycleConfigurationCommand({ Bucket: connection.bucket });
  try {
    const found = await connection.call((client, sending) => client.send(command, sending));
    return { rules: found.Rules ?? [], smallest: found.TransitionDefaultMinimumObjectSize };
  } catch (error) {
    if (answered(error, 'NoSuchLifecycleConfiguration')) return { rules: [], smallest: undefined };
    throw error;
  }
}

async function writeConfiguration(
  connection: S3Connection,
  { rules, smallest }: Configuration,
): Promise<void> {
  const { bucket: Bucket } = connection;
  if (rules.length === 0) {
    await connection.call((client, sending) =>
      client.send(new DeleteBucketLifecycleCommand({ Bucket }), sending),
    );
    return;
  }
  const command = new PutBucketLifecycleConfigurationCommand({
    Bucket,
    LifecycleConfiguration: { Rules: [...rules] },
    ...(smallest === undefined ? {} : { TransitionDefaultMinimumObjectSize: smallest }),
  });
  await connection.call((client, sending) => client.send(command, sending));
}

/** What a rule's ID begins with: several archives may share a bucket. */
function idsOf({ prefix }: S3Connection): string {
  return `event-bus-${createHash('sha256').update(prefix).digest('hex').slice(0, 8)}-`;
}

// No idea of lifecycle rules, or no right to ask.
const WITHOUT = ['NotImplemented', 'MethodNotAllowed', 'AccessDenied'];

/**
 * The lifecycle rules of a bucket that has some. S3 replaces all rules of a bucket at once, so those of others are read
 * and written back; two processes that do so at the same instant can undo each other.
 */
export async function lifecycleOf(connection: S3Connection): Promise<Lifecycle | null> {
  try {
    await readConfiguration(connection);
  } catch (error) {
    if (answered(error, ...WITHOUT)) return null;
    throw error;
  }
  const ours = idsOf(connection);
  const isOurs = ({ ID }: S3Rule) => ID?.startsWith(ours) === true;
  const fromS3 = (rule: S3Rule): LifecycleRule => ({
    id: rule.ID?.slice(ours.length) ?? '',
    prefix: rule.Filter?.Prefix?.slice(connection.prefix.length) ?? '',
    days: rule.Expiration?.Days ?? 0,
  });
  const toS3 = ({ id, prefix, days }: LifecycleRule): S3Rule => ({
    ID: ours + id,
    Status: 'Enabled',
    Filter: { Prefix: connection.prefix + prefix },
    Expiration: { Days: days },
    // In a bucket with versions a deletion leaves the old version behind.
    NoncurrentVersionExpiration: { NoncurrentDays: 1 },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: UNFINISHED_DAYS },
  });
  return {
    rules: async () => (await readConfiguration(connection)).rules.filter(isOurs).map(fromS3),
    async setRules(rules) {
      const present = await readConfiguration(connection);
      if (isDeepStrictEqual(present.rules.filter(isOurs).map(fromS3), rules)) return;
      const others = present.rules.filter((rule) => !isOurs(rule));
      await writeConfiguration(connection, { ...present, rules: [...others, ...rules.map(toS3)] });
    },
  };
}
