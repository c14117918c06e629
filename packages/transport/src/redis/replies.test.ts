import { ReplyError } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { GroupMissingError } from '../errors.ts';
import { isDemoted, toTransportError } from './replies.ts';

const reply = (message: string) => new (ReplyError as ErrorConstructor)(message);

describe('an error reply', () => {
  it.each([
    "OOM command not allowed when used memory > 'maxmemory'. script: 6b1, on @user_script:38.",
    "READONLY You can't write against a read only replica.",
    'NOREPLICAS Not enough good replicas to write.',
    'LOADING Redis is loading the dataset in memory',
    'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.',
    'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    'CLUSTERDOWN The cluster is down',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'MOVED 3999 127.0.0.1:6381',
    'ASK 3999 127.0.0.1:6381',
    'NOAUTH Authentication required.',
    'WRONGPASS invalid username-password pair or user is disabled.',
  ])('is a refusal for now: %s', (message) => {
    expect(toTransportError(reply(message))).toMatchObject({ code: 'server_refused', message });
  });

  it.each([
    ['OOM', "@user_script:38: @user_script: 38: -OOM command not allowed when used memory > 'maxmemory'."],
    ['READONLY', "@user_script:38: @user_script: 38: -READONLY You can't write against a read only replica."],
    ['LOADING', '@user_script:38: LOADING Redis is loading the dataset in memory'],
  ])('is a refusal for now in the words of Redis 6.2: %s', (_, message) => {
    const wrapped = `ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0e791): ${message}`;

    expect(toTransportError(reply(wrapped))).toMatchObject({ code: 'server_refused' });
  });

  it.each([
    "NOPERM this user has no permissions to run the 'eval' command",
    "ERR ACL failure in script: User u has no permissions to run the 'hset' command script: 6b1, on @user_script:38.",
  ])('waits for a right that an operator can grant: %s', (message) => {
    expect(toTransportError(reply(message))).toMatchObject({ code: 'server_refused', message });
  });

  it.each([
    'WRONGTYPE Operation against a key holding the wrong kind of value',
    'ERR append: expected 14 values per entry',
    'OOMPH is no code of the server',
    'NOGROUP without a scope',
  ])('is a rejection for good: %s', (message) => {
    expect(toTransportError(reply(message))).toMatchObject({ code: 'command_rejected', message });
  });

  it.each([
    "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option",
    "ERR Error running script (call to f_6b1bf486c8): @user_script:21: NOGROUP No such key 's' or consumer group 'g'",
  ])('names the group that is missing: %s', (message) => {
    const error = toTransportError(reply(message), { group: 'g', streams: ['s'] });

    expect(error).toBeInstanceOf(GroupMissingError);
    expect(error).toMatchObject({ group: 'g', streams: ['s'] });
  });

  it('leaves open what a blocked command has done that was ended by force', () => {
    const error = reply('UNBLOCKED the stream key no longer exists');

    expect(toTransportError(error)).toMatchObject({ code: 'unknown_outcome', cause: error });
  });

  it('is not what a connection says', () => {
    const error = new Error('OOM: connect ECONNREFUSED');

    expect(toTransportError(error)).toMatchObject({ code: 'unknown_outcome', cause: error });
  });

  it('tells a demoted server from others', () => {
    expect(isDemoted(reply("READONLY You can't write against a read only replica."))).toBe(true);
    expect(isDemoted(reply('ERR READONLY is not the code of this one'))).toBe(false);
  });
});
