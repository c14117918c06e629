import { isSpanContextValid, trace } from '@opentelemetry/api';
import { pino, stdTimeFunctions } from 'pino';
import { redactUrlPasswords } from './redact.ts';
import { serializeError } from './serialize-error.ts';

/**
 * What the bus logs through. Fields first, then a constant message; an error goes under `err`. The methods
 * never throw for what they are given.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds these fields to every line. */
  child(fields: object): Logger;
}

/** How much is logged: this level and the more serious ones. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

const credentialKeys = [
  'password',
  'passwd',
  'secret',
  'token',
  'authorization',
  'accessKeyId',
  'secretAccessKey',
];

const credentialPaths = credentialKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/**
 * A logger of JSON lines, one per call, written before the call returns (nothing is lost when the process
 * exits), to standard output unless told otherwise. Each line carries the service's name and, inside a span,
 * `trace_id` and `span_id`. Passwords in URLs are redacted wherever they stand, error messages and stacks
 * included, and so are fields with the usual names of credentials. A secret under another name is not noticed. Errors are
 * logged without what servers and clients add of the data: rows in PostgreSQL's details, arguments of Redis' commands.
 */
export function createLogger(options: {
  readonly service: string;
  readonly level: LogLevel;
  readonly destination?: { write(line: string): void };
}): Logger {
  return pino(
    {
      level: options.level,
      base: { service: options.service },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: serializeError, error: serializeError },
      redact: { paths: credentialPaths, censor: '[redacted]' },
      hooks: { streamWrite: redactUrlPasswords },
      mixin: activeSpan,
    },
    options.destination ?? pino.destination({ dest: 1, sync: true }),
  );
}

// A new object each time: pino writes the line's own fields into it.
function activeSpan(): object {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}
