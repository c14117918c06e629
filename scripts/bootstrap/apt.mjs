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
