import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { unpackPackages } from './apt.mjs';
import { works } from './shell.mjs';

/**
 * Makes sure that the servers which the benchmarks compare with can be started, NATS and RabbitMQ: those on PATH, or, on
 * Debian and Ubuntu, those of its packages, unpacked here because the packages would also start services. What cannot be
 * had is not compared with. Returns the folder to put on PATH.
 *
 * @param {string} root the repository
 * @param {NodeJS.ProcessEnv} env
 */
export function ensureBrokers(root, env) {
  const folder = join(root, '.cache', 'brokers');
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const withBin = { ...env, PATH: [env.PATH, bin].join(delimiter) };
  const servers = [
    { name: 'NATS', probe: 'nats-server --version', fetch: fetchNats },
    // The server itself has no option that only says its version.
    { name: 'RabbitMQ', probe: 'command -v rabbitmq-server && erl -version', fetch: fetchRabbit },
  ];
  for (const { name, probe, fetch } of servers) {
    const runs = () => works('sh', ['-c', probe], withBin);
    if (runs()) continue;
    if (works('apt-get', ['--version'], env)) {
      console.error(`${name} is not on PATH: fetching it with apt-get`);
      fetch(folder, bin, env);
    }
    if (!runs()) console.error(`${name} could not be fetched: it will not be compared with.`);
  }
  return bin;
}

/**
 * @param {string} folder
 * @param {string} bin
 * @param {NodeJS.ProcessEnv} env
 */
function fetchNats(folder, bin, env) {
  const unpacked = join(folder, 'nats');
  unpackPackages(unpacked, () => ['nats-server'], env);
  link(join(unpacked, 'usr/sbin/nats-server'), join(bin, 'nats-server'));
}

/**
 * @param {string} folder
 * @param {string} bin
 * @param {NodeJS.ProcessEnv} env
 */
function fetchRabbit(folder, bin, env) {
  const unpacked = join(folder, 'rabbitmq');
  unpackPackages(unpacked, () => ['rabbitmq-server', ...erlangPackages(env)], env);
  link(join(unpacked, 'usr/lib/erlang/bin/epmd'), join(bin, 'epmd'));
  // Debian's erl runs /usr/lib/erlang, wherever it lies itself.
  writeScript(join(bin, 'erl'), [
    'export ROOTDIR="$here/../rabbitmq/usr/lib/erlang" EMU=beam PROGNAME=erl',
    'export BINDIR=$(echo "$ROOTDIR"/erts-*/bin)',
    'exec "$BINDIR/erlexec" "$@"',
  ]);
  writeScript(join(bin, 'rabbitmq-server'), [
    'PATH="$here:$PATH" exec "$here/../rabbitmq/usr/lib/rabbitmq/bin/rabbitmq-server" "$@"',
  ]);
}

/**
 * The parts of Erlang that RabbitMQ needs, and what these need; the C library and others are taken to be there.
 *
 * @param {NodeJS.ProcessEnv} env
 */
function erlangPackages(env) {
  const only = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'];
  const args = ['depends', '--recurse', ...only.map((kind) => `--no-${kind}`), 'rabbitmq-server'];
  const { stdout } = spawnSync('apt-cache', args, { env, encoding: 'utf8' });
  return [...new Set((stdout ?? '').match(/^erlang-\S+$/gm))];
}

/**
 * @param {string} target
 * @param {string} path
 */
function link(target, path) {
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

/**
 * @param {string} path
 * @param {readonly string[]} lines
 */
function writeScript(path, lines) {
  writeFileSync(path, ['#!/bin/sh', 'here=$(cd "$(dirname "$0")" && pwd)', ...lines, ''].join('\n'));
  chmodSync(path, 0o755);
}
