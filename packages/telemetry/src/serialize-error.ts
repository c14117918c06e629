import { stdSerializers } from 'pino';
import { errorText } from './error-text.ts';

// Fields of errors that hold data. PostgreSQL tells whole rows in `detail` (of a unique violation, say), parameters in
// `where`, and the statement of a function in `internalQuery`. ioredis hangs the failed command on its errors, with its
// arguments: a payload, or for AUTH the password; and in `buffer` what it could not read. What a message itself says is left as
// it is.
const withData = new Set([
  'buffer',
  'command',
  'detail',
  'internalQuery',
  'lastNodeError',
  'previousErrors',
  'where',
]);

/**
 * An error as it is logged: name, message, stack, its own fields but those that hold data, and the same of its causes. Of one
 * that cannot be read so much, only its text.
 */
export function serializeError(error: unknown): unknown {
  try {
    return error instanceof Error ? withoutData(stdSerializers.errWithCause(error)) : error;
  } catch {
    // A logger that throws would end who only wanted to tell of a failure.
    return { message: errorText(error) };
  }
}

function withoutData(serialized: object): object {
  return Object.fromEntries(
    Object.entries(serialized)
      .filter(([name]) => !withData.has(name))
      .map(([name, value]: [string, unknown]) => {
        if (name === 'cause' && isObject(value)) return [name, withoutData(value)];
        if (name === 'aggregateErrors' && Array.isArray(value))
          return [name, value.map((entry: unknown) => (isObject(entry) ? withoutData(entry) : entry))];
        return [name, value];
      }),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
