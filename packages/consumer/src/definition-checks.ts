import { parseDuration } from './duration.ts';
import { delayAfter, type RetryPolicy } from './retry-policy.ts';

/** Collects what is wrong with a definition, so that all of it is told at once. */
export interface DefinitionChecks {
  readonly faults: readonly string[];
  fault(text: string): void;
  name(field: string, value: unknown): void;
  oneOf(field: string, value: unknown, choices: readonly string[]): void;
  /** A whole number from 1 to `max`. */
  count(field: string, value: unknown, max: number): void;
  /** Attempts that can be counted, and a delay after each but the last. */
  retry(field: string, policy: RetryPolicy): void;
  /** Its milliseconds, or 1 if it is none. */
  duration(field: string, value: unknown): number;
}

// A timer takes no more.
const maxDurationMs = 2_147_483_647;
const mostAttempts = 1_000;

/** Creates checks that have found nothing yet. The same fault is told once. */
export function createChecks(): DefinitionChecks {
  const faults: string[] = [];
  const fault = (text: string) => {
    if (!faults.includes(text)) faults.push(text);
  };
  const checks: DefinitionChecks = {
    faults,
    fault,
    name(field, value) {
      if (typeof value !== 'string' || !/^[a-z][a-z0-9_.-]*$/.test(value)) {
        fault(
          `${field} must begin with a lower-case letter and go on with lower-case letters, digits, "_", "." or "-", not ${show(value)}`,
        );
      }
    },
    oneOf(field, value, choices) {
      if (typeof value !== 'string' || !choices.includes(value)) {
        fault(`${field} must be ${choices.map(show).join(' or ')}, not ${show(value)}`);
      }
    },
    count(field, value, max) {
      if (!Number.isInteger(value) || Number(value) < 1 || Number(value) > max) {
        fault(`${field} must be a whole number from 1 to ${max}, not ${show(value)}`);
      }
    },
    retry(field, { maxAttempts, backoff }) {
      checks.count(`${field}.maxAttempts`, maxAttempts, mostAttempts);
      if (typeof backoff !== 'function') {
        fault(`${field}.backoff must be a function such as exponential("1s"), not ${show(backoff)}`);
        return;
      }
      for (let attempt = 1; attempt < Math.min(maxAttempts, mostAttempts); attempt += 1) {
        const delay = delayAfter(attempt, backoff);
        // That of one attempt says enough.
        if ('fault' in delay) return fault(`${field}.backoff ${delay.fault}`);
      }
    },
    duration(field, value) {
      const ms = typeof value === 'string' ? parseDuration(value) : undefined;
      if (ms === undefined || ms < 1 || ms > maxDurationMs) {
        fault(`${field} must be a duration such as "30s" or "5m", not ${show(value)}`);
        return 1;
      }
      return ms;
    },
  };
  return checks;
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
