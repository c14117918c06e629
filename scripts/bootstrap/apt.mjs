import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { succeeds } from './shell.mjs';

/**
 * Package lists may be empty (fresh image) or too old to download by, so a failure is tried again after an update.
 *
 * @param {() => boolean} attempt
 * @param {NodeJS.ProcessEnv} env
 */
export function withPackageLists(attempt, env) {
  if (attempt()) return true;
  return succeeds('apt-get', ['update', '-qq'], { env }) && attempt();
}

/**
 * Unpacks packages into a folder, which needs no right and starts no service; what they depend on is not looked at. The
 * folder appears when all is there, and stays as it was where a package cannot be had.
 *
 * @param {string} folder
 * @param {() => readonly string[]} names of the packages; asked again after an update of the package lists
 * @param {NodeJS.ProcessEnv} env
 */
export function unpackPackages(folder, names, env) {
  mkdirSync(dirname(folder), { recursive: true });
  const work = mkdtempSync(`${folder}-`);
  try {
    const download = () => succeeds('apt-get', ['download', '-qq', ...names()], { env, cwd: work });
    if (!withPackageLists(download, env)) return;
    for (const archive of readdirSync(work))
      succeeds('dpkg', ['-x', join(work, archive), join(work, 'root')], { env });
    rmSync(folder, { recursive: true, force: true });
    renameSync(join(work, 'root'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
