// What stands behind `npm run demo | test | stack | bench | soak | mutants | check`: from a fresh clone and any Node.js
// from 18 on it installs the locked dependencies (which bring the Node.js the project runs on) and a Redis server,
// then becomes the real command: same arguments, same output, same exit status, same signals.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBrokers } from './bootstrap/brokers.mjs';
import { installDependencies } from './bootstrap/dependencies.mjs';
import { ensurePromtool } from './bootstrap/promtool.mjs';
import { ensureRedis } from './bootstrap/redis.mjs';
import { giveUp } from './bootstrap/shell.mjs';

const node = ['node', '--conditions=@event-bus/source'];
const COMMANDS = new Map([
  ['demo', [...node, 'demo/main.ts']],
  ['test', ['vitest', 'run']],
  ['stack', [...node, 'scripts/stack.ts']],
  ['bench', [...node, 'bench/main.ts']],
  ['soak', [...node, 'bench/soak/main.ts']],
  ['mutants', [...node, 'scripts/mutants.ts']],
  ['check', [...node, 'scripts/check.ts']],
]);
const WITHOUT_REDIS = ['check'];
const WITH_PROMTOOL = ['check', 'test'];
const WITH_BROKERS = ['bench'];
// What the benchmarks compare with: a hundred packages that nothing else needs, but for their types.
const WITH_PEERS = ['bench', 'check'];
const PEERS = '@event-bus/bench-peers';

const [name = '', ...args] = process.argv.slice(2);
const [file, ...fixedArgs] = COMMANDS.get(name) ?? [];
if (file === undefined) giveUp(`usage: node scripts/run.mjs ${[...COMMANDS.keys()].join('|')} [arguments]`);

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');
/** @type {NodeJS.ProcessEnv} */
const env = {
  ...process.env,
  TURBO_TELEMETRY_DISABLED: '1',
  // Many processes are started from the same sources: without it, half of what each costs is compiling them again.
  NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compile'),
  PATH: [bin, process.env.PATH].join(delimiter),
};
// Started by npm, this process has npm's settings in its environment, and pnpm would take them for its own.
for (const key of Object.keys(env)) if (/^npm_(config|package|lifecycle)_/i.test(key)) delete env[key];

installDependencies(root, env, WITH_PEERS.includes(name) ? [] : [PEERS]);
if (!WITHOUT_REDIS.includes(name)) env.PATH = [env.PATH, ensureRedis(root, env)].join(delimiter);
if (WITH_PROMTOOL.includes(name)) env.PATH = [env.PATH, ensurePromtool(root, env)].join(delimiter);
if (WITH_BROKERS.includes(name)) env.PATH = [env.PATH, ensureBrokers(root, env)].join(delimiter);

const child = spawn(file, [...fixedArgs, ...args], { cwd: root, env, stdio: 'inherit' });
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    // Ctrl-C reaches every process of the terminal by itself; sent twice, it would mean "stop at once".
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('error', (error) => giveUp(`${file} could not be started: ${error.message}`));
child.on('exit', (code, signal) => {
  process.exit(code ?? (signal === null ? 1 : 128 + constants.signals[signal]));
});
