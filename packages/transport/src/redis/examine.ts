import { openConnection } from './connection.ts';
import { isAnswer, isForbidden } from './replies.ts';
import { readInfo } from './server-info.ts';

/** A kind of process, as `infra/redis/users.acl` has a user for each. */
export type RedisUser = (typeof redisUsers)[number];

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

/** All kinds of processes. */
export const redisUsers = ['publisher', 'runner', 'mover', 'archiver', 'monitor', 'operator'] as const;

// Keys of the bus by their pattern, and of no topic: those begin with a letter.
const stream = 'events:-doctor';
const beside = '{events:-doctor}:doctor';
const everybody = redisUsers.join(' ');

/**
 * Who sends which commands, as users.acl grants them (a test compares the two), and each in a form that changes nothing: of
 * what is not there, or, of HSET, with a field without a value, which is refused after the right was looked at.
 */
const commands: Readonly<Record<string, { readonly by: string; readonly args: readonly string[] }>> = {
  eval: { by: everybody, args: ['return 1', '0'] },
  exists: { by: 'runner archiver monitor operator', args: [stream] },
  hdel: { by: 'runner mover', args: [beside, 'field'] },
  hget: { by: 'publisher runner mover archiver', args: [beside, 'field'] },
  hgetall: { by: 'runner archiver monitor operator', args: [beside] },
  hmget: { by: 'runner operator', args: [beside, 'field'] },
  hscan: { by: 'mover monitor operator', args: [beside, '0'] },
  hset: { by: 'publisher runner archiver operator', args: [beside, 'field', 'value', 'field'] },
  memory: { by: 'archiver operator', args: ['USAGE', stream] },
  time: { by: 'mover archiver monitor operator', args: [] },
  type: { by: 'archiver monitor operator', args: [stream] },
  xack: { by: 'runner mover', args: [stream, 'doctor', '0-1'] },
  xadd: { by: 'publisher mover operator', args: [stream, 'NOMKSTREAM', '*', 'field', 'value'] },
  xclaim: { by: 'runner', args: [stream, 'doctor', 'doctor', '0', '0-1'] },
  xdel: { by: 'publisher runner mover operator', args: [stream, '0-1'] },
  xgroup: { by: 'runner mover operator', args: ['DELCONSUMER', stream, 'doctor', 'doctor'] },
  xinfo: { by: 'publisher runner mover archiver monitor operator', args: ['STREAM', stream] },
  xlen: { by: 'runner mover archiver monitor operator', args: [stream] },
  xpending: { by: 'publisher runner mover archiver monitor operator', args: [stream, 'doctor'] },
  xrange: { by: everybody, args: [stream, '-', '+', 'COUNT', '1'] },
  xread: { by: 'operator', args: ['COUNT', '1', 'STREAMS', stream, '0-0'] },
  xreadgroup: { by: 'runner', args: ['GROUP', 'doctor', 'doctor', 'STREAMS', stream, '>'] },
  xrevrange: { by: 'runner archiver monitor operator', args: [stream, '+', '-', 'COUNT', '1'] },
  xtrim: { by: 'archiver', args: [stream, 'MINID', '0'] },
};

/** The commands that a kind of process needs. */
export function commandsNeeded(user: RedisUser): string[] {
  return Object.keys(commands).filter((name) => commands[name]?.by.split(' ').includes(user));
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
    for (const command of commandsNeeded(user)) {
      try {
        await connection.call((redis) => redis.call(command, ...(commands[command]?.args ?? [])));
      } catch (error) {
        if (isForbidden(error)) forbidden.push(command);
        // That there is no such group, say, is an answer, too.
        else if (!isAnswer(error)) throw error;
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
