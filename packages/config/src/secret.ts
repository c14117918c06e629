import { inspect } from 'node:util';

/**
 * A value that does not print itself: `String()`, template literals, JSON and `util.inspect` all give
 * `[redacted]`. Only `reveal()` hands out the value. It does not protect the value in memory, and what
 * `reveal()` returned prints like any string.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself, for the one place that needs it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [inspect.custom](): string {
    return '[redacted]';
  }
}
