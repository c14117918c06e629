import { type Fragment, fragment, httpUrl } from '@event-bus/config';

/** Where an archive is: a bucket, or the part of it below a prefix; or a folder. */
export type ArchiveLocation =
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }
  | { readonly kind: 'file'; readonly path: string };

function archiveUrl(): Fragment<ArchiveLocation> {
  return fragment<ArchiveLocation>({
    example: 's3://bucket/prefix, or file:///var/lib/event-bus/archive',
    parse: (text) => {
      const url = URL.parse(text);
      if (url?.protocol !== 's3:' && url?.protocol !== 'file:') {
        return { problem: 'is not a URL that starts with s3:// or file://' };
      }
      if (url.search !== '' || url.hash !== '')
        return { problem: 'has a "?" or "#", which means nothing here' };
      if (url.username !== '' || url.password !== '' || url.port !== '') {
        return { problem: 'may not hold credentials or a port: see AWS_ACCESS_KEY_ID and S3_ENDPOINT' };
      }
      let path: string;
      try {
        path = decodeURIComponent(url.pathname);
      } catch {
        return { problem: 'has a "%" that begins no percent-encoded character' };
      }
      if (url.protocol === 'file:') {
        if (url.hostname !== '') return { problem: 'names a host: file:// is followed by an absolute path' };
        return path === '/' ? { problem: 'names no folder' } : { value: { kind: 'file', path } };
      }
      if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.hostname)) {
        return { problem: 'names no bucket: 3 to 63 lower-case letters, digits, "." and "-"' };
      }
      const prefix = path.replace(/^\/+|\/+$/g, '');
      if (prefix.includes('//')) return { problem: 'has an empty part in its prefix' };
      return { value: { kind: 's3', bucket: url.hostname, prefix } };
    },
  });
}

const addressings = ['path', 'virtual-host'] as const;

function addressing(): Fragment<(typeof addressings)[number]> {
  return fragment({
    example: 'path',
    parse: (text) => {
      const value = addressings.find((name) => name === text.toLowerCase());
      return value === undefined ? { problem: `is not one of ${addressings.join(', ')}` } : { value };
    },
  });
}

function regionName(): Fragment<string> {
  return fragment({
    example: 'eu-central-1',
    parse: (text) =>
      /^[a-z0-9-]+$/.test(text) ? { value: text } : { problem: 'is not the name of a region' },
  });
}

/** What a process takes from the environment to reach the archive. Credentials are found by the AWS SDK itself. */
export const archiveConfig = {
  /** A bucket with an optional prefix, or a folder, which has to be there. */
  ARCHIVE_URL: archiveUrl(),
  /** An S3 server other than AWS. */
  S3_ENDPOINT: httpUrl().optional(),
  /** How requests name the bucket: `path` is the default with S3_ENDPOINT, `virtual-host` without. */
  S3_ADDRESSING: addressing().optional(),
  /** The region of the bucket; by default that of the AWS profile, with S3_ENDPOINT us-east-1. */
  AWS_REGION: regionName().optional(),
};
