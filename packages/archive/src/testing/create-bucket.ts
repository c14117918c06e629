// Creates the bucket TEST_S3_BUCKET at TEST_S3_ENDPOINT; with object lock, if TEST_S3_OBJECT_LOCK is set.
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

const { TEST_S3_BUCKET: Bucket = '', TEST_S3_ENDPOINT: endpoint = '', TEST_S3_OBJECT_LOCK } = process.env;
const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
const ObjectLockEnabledForBucket = TEST_S3_OBJECT_LOCK !== undefined;
await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket }));
client.destroy();
