import { spawnSync } from 'node:child_process';

/**
 * Ends the script with a message for people. Status 2 says: nothing was run, the machine lacks something.
 *
 * @param {string} message
 * @returns {never}
 */
export function giveUp(message) {
  console.error(message);
  process.exit(2);
}

/**
 * Whether the command can be started and reports success. That a file of this name exists is not enough:
 * a binary whose libraries are missing starts and fails.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
export function works(command, args, env) {
  return spawnSync(command, args, { env, stdio: 'ignore' }).status === 0;
}

/**
 * Runs a command in the foreground and says whether it succeeded. Its output goes to standard error, so that
 * what the wrapped command prints stays alone on standard output.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env: NodeJS.ProcessEnv, cwd?: string }} options
 */
export function succeeds(command, args, options) {
  return spawnSync(command, args, { ...options, stdio: ['ignore', 2, 2] }).status === 0;
}
