import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

const NAMES = [
  'absent',
  'acknowledge',
  'add-once',
  'append',
  'claim',
  'count-delivery',
  'count-failed',
  'dead-letter',
  'drop-vanished',
  'end-replay',
  'first-after',
  'forget',
  'given-up',
  'inject-replay',
  'inspect',
  'keep',
  'last-of-sources',
  'record-failures',
  'release',
  'remove-consumer',
  'restore-trim',
  'take-replay',
  'trim',
  'trim-bounds',
] as const;

/** A script of the `lua` folder. Its head says what it takes and replies. */
export type ScriptName = (typeof NAMES)[number];

/** Runs a script by its name. `Reply` is what its head promises. */
export type RunScript = <Reply>(
  redis: Redis,
  name: ScriptName,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<Reply>;

/** Relative to `src/redis` and to `dist/redis` alike. */
function readFile(name: string): string {
  return readFileSync(new URL(`../../lua/${name}`, import.meta.url), 'utf8');
}

/** The text of a script, with what it includes and without its comments. */
function read(name: ScriptName): string {
  const whole = readFile(`${name}.lua`).replaceAll(/^-- include (\S+)$/gm, (_, included: string) =>
    readFile(`include/${included}`),
  );
  return whole.replaceAll(/^\s*--.*\n/gm, '');
}

/**
 * Reads all scripts. They are always sent whole (EVAL) and never by their hash: the server may lose its scripts at any moment
 * (restart, failover, SCRIPT FLUSH), and a batch that is sent a second time after a NOSCRIPT would arrive behind the
 * one that followed it. The server compiles each text once; a kilobyte more is little beside a batch.
 */
export function loadScripts(): RunScript {
  const texts = new Map(NAMES.map((name) => [name, read(name)]));
  return async <Reply>(
    redis: Redis,
    name: ScriptName,
    keys: readonly string[],
    args: readonly (string | number)[],
  ) => {
    const text = texts.get(name) ?? '';
    return (await redis.call('EVAL', [text, keys.length, ...keys, ...args])) as Reply;
  };
}
