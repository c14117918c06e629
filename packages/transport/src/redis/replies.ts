import { ReplyError } from 'ioredis';
import {
  CommandRejectedError,
  GroupMissingError,
  ServerRefusedError,
  TransportError,
  UnknownOutcomeError,
} from '../errors.ts';

/** The group that a command was about. */
export interface GroupScope {
  readonly group: string;
  readonly streams: readonly string[];
}

/** The server says no for now; nothing was done. */
const REFUSALS = new Set([
  'ASK',
  'BUSY',
  'CLUSTERDOWN',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'MOVED',
  'NOAUTH',
  'NOPERM',
  'NOREPLICAS',
  'OOM',
  'READONLY',
  'TRYAGAIN',
  'UNKILLABLE',
  'WRONGPASS',
]);

/** Before 7.0 an error inside a script is wrapped in a text that begins with ERR. */
const SCRIPT_PREFIX = /^ERR Error running script \(call to f_[0-9a-f]+\): (?:@?user_script: ?\d+: )*-?/;

/** A right that is missing inside a script is said without a code, by each version in other words. */
const SCRIPT_PERMISSION = /^(?:ERR )?(?:ACL failure in script|The user executing the script)/;

function codeOf(message: string): string {
  const text = message.replace(SCRIPT_PREFIX, '');
  if (SCRIPT_PERMISSION.test(text)) return 'NOPERM';
  return /^[A-Z]+(?= |$)/.exec(text)?.[0] ?? 'ERR';
}

function isReply(error: unknown): error is Error {
  return error instanceof ReplyError;
}

/** A server that was a master refuses writes until one connects to its successor. */
export function isDemoted(error: Error): boolean {
  return codeOf(error.message) === 'READONLY';
}

/** The server itself has said no, whatever for: it was reached, and there is nothing to be unsure of. */
export function isAnswer(error: unknown): boolean {
  return error instanceof TransportError && isReply(error.cause);
}

/** The user may not send this command, or not with this key. */
export function isForbidden(error: unknown): boolean {
  return (
    error instanceof ServerRefusedError && isReply(error.cause) && codeOf(error.cause.message) === 'NOPERM'
  );
}

/** XGROUP CREATE: the group is there already. */
export function isGroupThere(error: unknown): boolean {
  return (
    error instanceof CommandRejectedError &&
    isReply(error.cause) &&
    codeOf(error.cause.message) === 'BUSYGROUP'
  );
}

/** XINFO: the stream is not there. */
export function isStreamMissing(error: unknown): boolean {
  return (
    error instanceof CommandRejectedError &&
    isReply(error.cause) &&
    error.cause.message.startsWith('ERR no such key')
  );
}

/**
 * The same error without the data that ioredis hangs on it, as errors are logged with their causes: the arguments of its
 * command, which are the events themselves, or a password; and what was received, where that is not Redis' protocol.
 */
export function withoutData(error: unknown): unknown {
  if (error instanceof Error && 'command' in error) {
    const { command } = error;
    error.command =
      typeof command === 'object' && command !== null && 'name' in command ? { name: command.name } : {};
  }
  if (error instanceof Error && 'buffer' in error) error.buffer = undefined;
  return error;
}

/**
 * Says what a failed command means. What is no reply of the server is a lost reply: only the server can say that
 * nothing was done.
 */
export function toTransportError(error: unknown, scope?: GroupScope): TransportError {
  if (error instanceof TransportError) return error;
  if (!isReply(error)) {
    const reason = error instanceof Error ? error.message : String(error);
    return new UnknownOutcomeError(`the reply was lost: ${reason}`, { cause: error });
  }
  const code = codeOf(error.message);
  if (code === 'NOGROUP' && scope !== undefined) {
    return new GroupMissingError(scope.group, scope.streams, { cause: error });
  }
  // Also said to a blocked reader whose stream was deleted: the next read then finds the group missing.
  if (code === 'UNBLOCKED') return new UnknownOutcomeError(error.message, { cause: error });
  if (REFUSALS.has(code)) return new ServerRefusedError(error.message, { cause: error });
  return new CommandRejectedError(error.message, { cause: error });
}
