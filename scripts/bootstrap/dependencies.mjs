import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { giveUp, succeeds } from './shell.mjs';

/**
 * Installs exactly what the lockfile names, with the pnpm that package.json pins: its own copy in node_modules,
 * or on a fresh clone one that npx fetches. Ends the script if that fails, or if no suitable Node.js comes of it.
 *
 * @param {string} root the repository
 * @param {NodeJS.ProcessEnv} env with node_modules/.bin first on PATH
 * @param {readonly string[]} without packages of the workspace whose dependencies can wait
 */
export function installDependencies(root, env, without) {
  const bin = join(root, 'node_modules', '.bin');
  const { packageManager, engines } = /** @type {{ packageManager: string, engines: { node: string } }} */ (
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  );
  const filters = without.map((name) => `--filter=!${name}`);
  const install = ['install', '--frozen-lockfile', '--reporter=append-only', '--loglevel=warn', ...filters];
  /** @type {[string, string[]]} */
  const [command, args] = existsSync(join(bin, 'pnpm'))
    ? ['pnpm', install]
    : ['npx', ['--yes', '--loglevel=error', '--no-update-notifier', packageManager, ...install]];
  if (!succeeds(command, args, { cwd: root, env })) {
    giveUp(`Installing the dependencies failed (${command} ${args.join(' ')}): see above.`);
  }

  // The platform packages node-linux-* bring Node.js; on other systems the one that runs this has to do.
  const needed = engines.node.replace('>=', '');
  if (
    !existsSync(join(bin, 'node')) &&
    process.versions.node.localeCompare(needed, 'en', { numeric: true }) < 0
  ) {
    giveUp(`Node.js ${needed} or newer is needed on this platform; this is ${process.versions.node}.`);
  }
}
