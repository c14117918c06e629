import type { ArchiveLocation } from './config.ts';
import { createFileStore } from './store/file/index.ts';
import type { S3StoreOptions } from './store/s3/index.ts';
import type { ArchiveStore } from './store/store.ts';

/** Values of {@link archiveConfig}. */
export interface ArchiveEnvironment {
  readonly ARCHIVE_URL: ArchiveLocation;
  readonly S3_ENDPOINT?: string | undefined;
  readonly S3_ADDRESSING?: S3StoreOptions['addressing'];
  readonly AWS_REGION?: string | undefined;
}

/** The store that the configuration names. Nothing is connected to or created. */
export async function openArchiveStore(env: ArchiveEnvironment): Promise<ArchiveStore> {
  const { ARCHIVE_URL: location, S3_ENDPOINT: endpoint, S3_ADDRESSING: addressing, AWS_REGION: region } = env;
  if (location.kind === 'file') return createFileStore({ path: location.path });
  const { bucket, prefix } = location;
  // Only for those who have one: the SDK is a fifth of what a command takes to start.
  const { createS3Store } = await import('./store/s3/index.ts');
  return createS3Store({ bucket, prefix, endpoint, region, addressing });
}
