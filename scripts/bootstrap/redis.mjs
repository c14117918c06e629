import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { withPackageLists } from './apt.mjs';
import { giveUp, succeeds, works } from './shell.mjs';

/**
 * Makes sure that a Redis server can be started: one that is named by REDIS_SERVER or on PATH is used as it is;
 * on Debian and Ubuntu one is fetched with apt, else the script ends and says what to install. Returns the folder
 * to put on PATH.
 *
 * Debian's server binary is redis-check-rdb of the package redis-tools, which acts by the name it is called by.
 * That package is used because redis-server would also start a service on port 6379.
 *
 * @param {string} root the repository
 * @param {NodeJS.ProcessEnv} env
 */
export function ensureRedis(root, env) {
  const folder = join(root, '.cache', 'redis');
  const cached = join(folder, 'redis-server');
  if (env.REDIS_SERVER) {
    if (works(env.REDIS_SERVER, ['--version'], env)) return folder;
    giveUp(
      `REDIS_SERVER is ${env.REDIS_SERVER}, which cannot be run. Correct it, or unset it to have one found.`,
    );
  }
  if (works('redis-server', ['--version'], env) || works(cached, ['--version'], env)) return folder;

  if (works('apt-get', ['--version'], env)) {
    mkdirSync(folder, { recursive: true });
    console.error('redis-server is not on PATH: fetching the package redis-tools with apt-get');
    if (process.getuid?.() === 0) installAsRoot(cached, env);
    else unpackAsUser(folder, cached, env);
    if (works(cached, ['--version'], env)) return folder;
  }
  giveUp(
    'A Redis server (6.2 or newer) is needed and could not be fetched. Install one (Debian and Ubuntu: apt-get install ' +
      'redis-tools; macOS: brew install redis; Fedora: dnf install redis), or set REDIS_SERVER to its path, and run this again.',
  );
}

/**
 * @param {string} cached
 * @param {NodeJS.ProcessEnv} env
 */
function installAsRoot(cached, env) {
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  const binary = '/usr/bin/redis-check-rdb';
  const install = [
    'install',
    '-y',
    '-o',
    'DPkg::Lock::Timeout=60',
    '-qq',
    '--no-install-recommends',
    'redis-tools',
  ];
  if (!existsSync(binary) && !withPackageLists(() => succeeds('apt-get', install, { env: quiet }), quiet))
    return;
  rmSync(cached, { force: true });
  symlinkSync(binary, cached);
}

/**
 * What a package needs beside the C library, which must stay the system's own.
 *
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 */
function librariesOf(name, env) {
  const { stdout } = spawnSync('apt-cache', ['depends', name], { env, encoding: 'utf8' });
  const needed = [...(stdout ?? '').matchAll(/^ *Depends: (lib\S+)$/gm)].map(([, library = '']) => library);
  return needed.filter((library) => library !== 'libc6');
}

/**
 * Downloads and unpacks into the cache folder; a wrapper sets the library path, since the system knows nothing of it.
 *
 * @param {string} folder
 * @param {string} cached
 * @param {NodeJS.ProcessEnv} env
 */
function unpackAsUser(folder, cached, env) {
  const work = mkdtempSync(join(folder, 'unpack-'));
  try {
    const download = (/** @type {string} */ name) =>
      succeeds('apt-get', ['download', '-qq', name], { env, cwd: work });
    if (!withPackageLists(() => download('redis-tools'), env)) return;
    for (const library of librariesOf('redis-tools', env)) download(library);
    for (const archive of readdirSync(work))
      succeeds('dpkg', ['-x', join(work, archive), join(work, 'root')], { env });

    const unpacked = join(folder, 'unpacked');
    rmSync(unpacked, { recursive: true, force: true });
    renameSync(join(work, 'root'), unpacked);
    symlinkSync('redis-check-rdb', join(unpacked, 'usr/bin/redis-server'));
    const wrapper = join(work, 'redis-server');
    writeFileSync(
      wrapper,
      [
        '#!/bin/sh',
        'here=$(dirname "$0")/unpacked/usr',
        'libraries=$(echo "$here"/lib/*-linux-gnu*)',
        `LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/bin/redis-server" "$@"`,
        '',
      ].join('\n'),
    );
    chmodSync(wrapper, 0o755);
    renameSync(wrapper, cached);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
