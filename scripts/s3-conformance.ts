// Runs the tests of the S3 store against a real S3 server instead of the double: versitygw, which `go install` fetches
// and builds into .cache (some minutes, once). Needs Go, and a file system with extended attributes in the temporary
// folder.
//
//   npx node --conditions=@event-bus/source scripts/s3-conformance.ts
//
// For another server, or a bucket of AWS, set TEST_S3_ENDPOINT, TEST_S3_BUCKET, AWS_REGION and credentials that may do
// everything in it, and run the test file itself. It works below prefixes of its own and deletes nothing at the end.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createTemporaryFolder, eventually, freePort } from '../packages/testkit/src/index.ts';
import { startProcess } from '../packages/testkit/src/managed-process.ts';

const root = join(import.meta.dirname, '..');
const version = 'v1.8.0';
const folder = join(root, '.cache', `versitygw-${version}`);
const binary = join(folder, 'versitygw');
const testFile = 'packages/archive/src/store/s3/s3.int.test.ts';

/** A command that has to succeed, with its output shown. */
function run(command: string, args: readonly string[], env: Readonly<Record<string, string>>): void {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
}

/** A bucket as most have it, then one with object lock: its objects have versions, and other capabilities. */
async function test(objectLock: boolean): Promise<void> {
  const data = createTemporaryFolder('s3-data');
  const versions = createTemporaryFolder('s3-versions');
  const port = await freePort();
  const credentials = { AWS_ACCESS_KEY_ID: 'test-access-key', AWS_SECRET_ACCESS_KEY: 'test-secret-key' };
  const server = await startProcess(
    binary,
    [
      ['--port', `127.0.0.1:${port}`, '--virtual-domain', 'localhost', '--keep-alive', '--quiet'],
      ['posix', ...(objectLock ? ['--versioning-dir', versions.path] : []), data.path],
    ].flat(),
    {
      env: {
        ROOT_ACCESS_KEY: credentials.AWS_ACCESS_KEY_ID,
        ROOT_SECRET_KEY: credentials.AWS_SECRET_ACCESS_KEY,
      },
    },
  );
  try {
    const endpoint = `http://127.0.0.1:${port}`;
    await eventually(() => fetch(endpoint).then(() => true), { message: 'versitygw to answer' });
    const env = {
      ...credentials,
      TEST_S3_ENDPOINT: endpoint,
      TEST_S3_BUCKET: 'conformance',
      ...(objectLock ? { TEST_S3_OBJECT_LOCK: 'true' } : {}),
    };
    run('node', ['--conditions=@event-bus/source', 'packages/archive/src/testing/create-bucket.ts'], env);
    run('npm', ['test', '--silent', '--', testFile, ...(objectLock ? ['-t', 'capabilities'] : [])], env);
  } finally {
    await server.end('SIGTERM');
    await Promise.all([data.remove(), versions.remove()]);
  }
}

if (!existsSync(binary)) {
  run('go', ['install', `github.com/versity/versitygw/cmd/versitygw@${version}`], { GOBIN: folder });
}
for (const objectLock of [false, true]) {
  console.log(`\n${version} of versitygw, a bucket ${objectLock ? 'with' : 'without'} object lock:`);
  await test(objectLock);
}
