import { ConfigError, loadConfig } from '@event-bus/config';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { archiveConfig } from './config.ts';
import { openArchiveStore } from './open-archive-store.ts';

const schema = z.object(archiveConfig);

function faultOf(env: Readonly<Record<string, string>>): string {
  try {
    loadConfig(schema, { ARCHIVE_URL: 's3://archive', ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return '';
}

describe('the configuration of an archive', () => {
  test.each([
    ['s3://archive', { kind: 's3', bucket: 'archive', prefix: '' }],
    ['s3://archive/', { kind: 's3', bucket: 'archive', prefix: '' }],
    ['s3://my.archive-1/events/prod/', { kind: 's3', bucket: 'my.archive-1', prefix: 'events/prod' }],
    ['s3://archive/a%20b', { kind: 's3', bucket: 'archive', prefix: 'a b' }],
    ['file:///var/lib/archive', { kind: 'file', path: '/var/lib/archive' }],
    ['file:///var/lib/my%20archive/', { kind: 'file', path: '/var/lib/my archive/' }],
  ])('takes %s', (url, location) => {
    expect(loadConfig(schema, { ARCHIVE_URL: url }).ARCHIVE_URL).toEqual(location);
  });

  test.each([
    ['archive', 'is not a URL that starts with s3:// or file://'],
    ['https://archive.s3.amazonaws.com', 'is not a URL that starts with s3:// or file://'],
    ['s3://key:secret@archive', 'may not hold credentials'],
    ['s3://archive:9000/x', 'may not hold credentials or a port'],
    ['s3://Archive_1', 'names no bucket'],
    ['s3:///prefix', 'names no bucket'],
    ['s3://archive/a//b', 'has an empty part'],
    ['s3://archive/%zz', 'begins no percent-encoded character'],
    ['s3://archive?region=x', 'means nothing here'],
    ['file://host/path', 'names a host'],
    ['file:///', 'names no folder'],
  ])('refuses %s, and says why by the name of the variable', (url, problem) => {
    const fault = faultOf({ ARCHIVE_URL: url });

    expect(fault).toContain('ARCHIVE_URL: ');
    expect(fault).toContain(problem);
    expect(fault).not.toContain('secret');
  });

  test.each([
    ['S3_ENDPOINT', 'minio:9000', 'does not start with http:// or https://'],
    ['S3_ADDRESSING', 'host', 'is not one of path, virtual-host'],
    ['AWS_REGION', 'eu central', 'is not the name of a region'],
  ])('refuses a wrong %s', (name, value, problem) => {
    expect(faultOf({ [name]: value })).toContain(`${name}: ${problem}`);
  });

  test('makes the store that it names, and connects to nothing', async () => {
    const env = {
      ARCHIVE_URL: 's3://archive/prod',
      S3_ENDPOINT: 'http://127.0.0.1:1',
      S3_ADDRESSING: 'path',
    };
    const stores = await Promise.all([
      openArchiveStore(loadConfig(schema, env)),
      openArchiveStore(loadConfig(schema, { ARCHIVE_URL: 's3://archive' })),
      openArchiveStore(loadConfig(schema, { ARCHIVE_URL: 'file:///missing/folder' })),
    ]);

    expect(stores.map(({ location }) => location)).toEqual([
      's3://archive/prod',
      's3://archive/',
      'file:///missing/folder',
    ]);
    await expect(stores[2]?.ping()).rejects.toThrow(
      /does not exist: create the folder, or correct ARCHIVE_URL/,
    );
    for (const store of stores) await store.close();
  });
});
