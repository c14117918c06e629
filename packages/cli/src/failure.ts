import { ConfigError } from '@event-bus/config';
import { ContractViolationError } from '@event-bus/contracts';
import { TransportError } from '@event-bus/transport';

const configStatus = 78;

/** The exit status that an error ends the command with. */
export function exitStatusOf(error: unknown): number {
  return error instanceof ConfigError ? configStatus : 1;
}

/** An error as it is told to people: what is wrong and where, without a stack. */
export function describeFailure(error: unknown): string {
  if (error instanceof ContractViolationError) {
    const issues = error.issues.map(({ path, message }) => `  ${path}: ${message}`);
    return `${error.eventType} is refused, nothing was appended:\n${issues.join('\n')}`;
  }
  if (error instanceof TransportError) return `Redis: ${withCause(error)}`;
  if (isOfFile(error)) return `${error.path}: ${fileProblem(error.code)}`;
  if (isUnreachable(error)) return `PostgreSQL cannot be reached: ${messageOf(error)}`;
  if (isFromPostgres(error)) return `PostgreSQL: ${error.message}${error.hint ? ` (${error.hint})` : ''}`;
  return messageOf(error);
}

/** The message of an error, also where it only stands in those it was made of. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((inner) => messageOf(inner)).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

function withCause(error: Error): string {
  return error.cause instanceof Error ? `${error.message} (${messageOf(error.cause)})` : error.message;
}

// Redis speaks through the transport, so what else fails on a socket was on its way to PostgreSQL.
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  const isSocketCode =
    typeof code === 'string' &&
    /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE)$/.test(code);
  return isSocketCode || /^(Connection terminated|timeout expired|timeout exceeded)/.test(error.message);
}

function isOfFile(error: unknown): error is Error & { readonly path: string; readonly code: string } {
  return error instanceof Error && 'syscall' in error && 'path' in error && 'code' in error;
}

function fileProblem(code: string): string {
  const problems: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file or folder',
    EACCES: 'this user may not read or write it',
    EISDIR: 'is a folder, and has to be a file',
    ENOSPC: 'there is no room left on its disk',
  };
  return problems[code] ?? `cannot be read or written (${code})`;
}

function isFromPostgres(error: unknown): error is Error & { readonly hint?: string } {
  return error instanceof Error && 'severity' in error;
}
