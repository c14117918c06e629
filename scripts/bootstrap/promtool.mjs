import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unpackPackages } from './apt.mjs';
import { works } from './shell.mjs';

/**
 * Makes sure that promtool can be run, which checks the alerts: the one on PATH, or, on Debian and Ubuntu, the one from the
 * package prometheus, unpacked here because the package would also start a service. Where none can be had, the rest goes
 * on, and what needs it fails. Returns the folder to put on PATH.
 *
 * @param {string} root the repository
 * @param {NodeJS.ProcessEnv} env
 */
export function ensurePromtool(root, env) {
  const folder = join(root, '.cache', 'prometheus');
  const cached = join(folder, 'promtool');
  if (works('promtool', ['--version'], env) || works(cached, ['--version'], env)) return folder;

  if (works('apt-get', ['--version'], env)) {
    console.error('promtool is not on PATH: fetching the package prometheus with apt-get');
    const unpacked = join(folder, 'unpacked');
    unpackPackages(unpacked, () => ['prometheus'], env);
    const promtool = join(unpacked, 'usr', 'bin', 'promtool');
    if (existsSync(promtool)) renameSync(promtool, cached);
    rmSync(unpacked, { recursive: true, force: true });
  }
  if (!works(cached, ['--version'], env)) {
    console.error(
      'promtool could not be fetched: the checks of the alerts will fail. Install Prometheus (Debian and Ubuntu: apt-get ' +
        'install prometheus; macOS: brew install prometheus) to have them.',
    );
  }
  return folder;
}
