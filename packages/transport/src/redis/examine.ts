import { openConnection } from './connection.ts';
import { isForbidden } from './replies.ts';
import { readInfo } from './server-info.ts';

/** A kind of process, as `infra/redis/users.acl` has a user for each. */
export type RedisUser = keyof typeof commandsOf;

/** What a server says of itself, and what it refuses to the user of the URL. */
export interface ServerExamination {
  /** Redis, or Valkey, and its version, for people. */
  readonly name: string;
  /** As Redis counts: that of a Valkey is the one whose commands it has. */
  readonly redisVersion: string;
  /** Whether this server takes writes; a replica does not. */
  readonly isMaster: boolean;
  readonly usedMemoryBytes: number;
  /** `null` where the server sets itself no limit. */
  readonly maxMemoryBytes: number | null;
  readonly evictionPolicy: string;
  readonly isAppendOnly: boolean;
  /** How far its clock is ahead of this machine's; `null` where it does not say. */
  readonly aheadMs: number | null;
  /** Commands that this kind of process needs and may not send. */
  readonly forbidden: readonly string[];
}

// What each kind of process sends, as users.acl grants it; a test compares the two.
const commandsOf = {
  publisher: ['eval', 'hget', 'hset', 'xadd', 'xdel', 'xrange'],
  runner: [
    'eval',
    'exists',
    'hdel',
    'hget',
    'hgetall',
    'hmget',
    'hset',
    'xack',
    'xclaim',
    'xdel',
    'xgroup',
    'xlen',
    'xpending',
    'xrange',
    'xreadgroup',
    'xrevrange',
  ],
  mover: [
    'time',
    'eval',
    'hdel',
    'hget',
    'hscan',
    'xack',
    'xadd',
    'xdel',
    'xgroup',
    'xinfo',
    'xlen',
    'xpending',
    'xrange',
  ],
  archiver: [
    'time',
    'eval',
    'exists',
    'hget',
    'hgetall',
    'hset',
    'memory',
    'xinfo',
    'xlen',
    'xpending',
    'xrange',
    'xrevrange',
    'xtrim',
  ],
  monitor: ['time', 'eval', 'exists', 'hgetall', 'hscan', 'xinfo', 'xlen', 'xpending', 'xrange', 'xrevrange'],
  operator: [
    'time',
    'eval',
    'exists',
    'memory',
    'hgetall',
    'hmget',
    'hscan',
    'hset',
    'xadd',
    'xdel',
    'xgroup',
    'xinfo',
    'xlen',
    'xpending',
    'xrange',
    'xread',
    'xrevrange',
  ],
} as const satisfies Readonly<Record<string, readonly Command[]>>;

const stream = 'events:doctor';
const beside = '{events:doctor}:doctor';

/**
 * Each command in a form that changes nothing, also where the keys are there: they are never written to. HSET gets a field
 * without a value, which is refused after the right was looked at.
 */
const harmless = {
  eval: ['return 1', '0'],
  exists: [stream],
  hdel: [beside, 'field'],
  hget: [beside, 'field'],
  hgetall: [beside],
  hmget: [beside, 'field'],
  hscan: [beside, '0'],
  hset: [beside, 'field', 'value', 'field'],
  memory: ['USAGE', stream],
  time: [],
  xack: [stream, 'doctor', '0-1'],
  xadd: [stream, 'NOMKSTREAM', '*', 'field', 'value'],
  xclaim: [stream, 'doctor', 'doctor', '0', '0-1'],
  xdel: [stream, '0-1'],
  xgroup: ['DELCONSUMER', stream, 'doctor', 'doctor'],
  xinfo: ['STREAM', stream],
  xlen: [stream],
  xpending: [stream, 'doctor'],
  xrange: [stream, '-', '+', 'COUNT', '1'],
  xread: ['COUNT', '1', 'STREAMS', stream, '0-0'],
  xreadgroup: ['GROUP', 'doctor', 'doctor', 'STREAMS', stream, '>'],
  xrevrange: [stream, '+', '-', 'COUNT', '1'],
  xtrim: [stream, 'MINID', '0'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type Command = keyof typeof harmless;

/** All kinds of processes. */
export const redisUsers = Object.keys(commandsOf) as RedisUser[];

/** The commands that a kind of process needs. */
export function commandsNeeded(user: RedisUser): readonly string[] {
  return commandsOf[user];
}

/**
 * Looks at a server and at the rights of the user that the URL names. It changes nothing.
 * @throws ServerRefusedError it cannot be reached or does not let this user in; UnknownOutcomeError.
 */
export async function examineServer(url: string, user: RedisUser): Promise<ServerExamination> {
  const connection = openConnection('doctor', {
    url,
    commandTimeoutMs: 5_000,
    connectTimeoutMs: 5_000,
    onError: () => 'the calls that fail say so themselves',
  });
  try {
    const sentAt = Date.now();
    const facts = await connection.call((redis) =>
      readInfo(redis, ['server', 'memory', 'persistence', 'replication']),
    );
    const hereMs = (sentAt + Date.now()) / 2;
    const forbidden: string[] = [];
    for (const command of commandsOf[user]) {
      try {
        await connection.call((redis) => redis.call(command, ...harmless[command]));
      } catch (error) {
        // That there is no such group, say, is an answer.
        if (isForbidden(error)) forbidden.push(command);
      }
    }
    const [redisVersion = '0', valkey] = [facts.get('redis_version'), facts.get('valkey_version')];
    const clock = facts.get('server_time_usec');
    return {
      name: valkey === undefined ? `Redis ${redisVersion}` : `Valkey ${valkey}`,
      redisVersion,
      isMaster: facts.get('role') === 'master',
      maxMemoryBytes: Number(facts.get('maxmemory')) || null,
      usedMemoryBytes: Number(facts.get('used_memory')),
      evictionPolicy: facts.get('maxmemory_policy') ?? '',
      isAppendOnly: facts.get('aof_enabled') === '1',
      aheadMs: clock === undefined ? null : Number(clock) / 1_000 - hereMs,
      forbidden,
    };
  } finally {
    await connection.close();
  }
}
