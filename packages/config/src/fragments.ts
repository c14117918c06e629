import { type Fragment, fragment } from './fragment.ts';

const msPerUnit: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A duration with its unit (`250ms`, `1.5s`, `5m`, `2h`, `7d`) as a whole number of milliseconds. */
export function duration(range: { readonly minMs?: number; readonly maxMs?: number } = {}): Fragment<number> {
  const { minMs = 0, maxMs = Number.MAX_SAFE_INTEGER } = range;
  return fragment({
    example: '250ms, 1s, 5m or 7d',
    parse: (text) => {
      const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
      const perUnit = msPerUnit[unit];
      if (perUnit === undefined) return { problem: 'is not a duration with a unit (ms, s, m, h, d)' };
      const value = Math.round(Number(amount) * perUnit);
      if (value < minMs) return { problem: `is shorter than ${minMs}ms` };
      if (value > maxMs) return { problem: `is longer than ${maxMs}ms` };
      return { value };
    },
  });
}

const unitPower: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };

/**
 * A size (`512`, `256KiB`, `1MiB`, `4gb`) as a number of bytes. Case does not matter, and `kb` means what it
 * means to Redis and PostgreSQL: 1024 bytes, the same as `KiB`.
 */
export function bytes(range: { readonly min?: number; readonly max?: number } = {}): Fragment<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = range;
  return fragment({
    example: '512, 256KiB, 1MiB or 4gb',
    parse: (text) => {
      const match = /^(\d+(?:\.\d+)?)\s?(?:([kmgt]?)(?:i?b)?)$/.exec(text.toLowerCase());
      const power = unitPower[match?.[2] ?? ''];
      if (match === null || power === undefined)
        return { problem: 'is not a size in bytes, KiB, MiB, GiB or TiB' };
      const value = Math.round(Number(match[1]) * 1024 ** power);
      if (value < min) return { problem: `is less than ${min} bytes` };
      if (value > max) return { problem: `is more than ${max} bytes` };
      return { value };
    },
  });
}

/** A whole number between `min` and `max`, both included. */
export function integer(range: { readonly min?: number; readonly max?: number } = {}): Fragment<number> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = range;
  return fragment({
    example: String(Math.max(min, Math.min(max, 10))),
    parse: (text) => {
      const value = Number(text);
      if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value))
        return { problem: 'is not a whole number' };
      if (value < min) return { problem: `is less than ${min}` };
      if (value > max) return { problem: `is more than ${max}` };
      return { value };
    },
  });
}

/** A TCP port; 0 lets the operating system choose a free one. */
export function port(): Fragment<number> {
  return fragment({
    example: '8080',
    parse: (text) => {
      const value = Number(text);
      if (/^\d{1,5}$/.test(text) && value <= 65_535) return { value };
      return { problem: 'is not a port between 0 and 65535' };
    },
  });
}

/** Names separated by commas, in the order given, with the space around them removed; at least one. */
export function list(spec: { readonly example?: string } = {}): Fragment<readonly string[]> {
  return fragment<readonly string[]>({
    example: spec.example ?? 'first,second',
    parse: (text) => {
      const value = text
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== '');
      return value.length > 0 ? { value } : { problem: 'names nothing' };
    },
  });
}

const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** How much a process logs: this level and the more serious ones. */
export type LogLevel = (typeof logLevels)[number];

/** A log level by name, in any case. */
export function logLevel(): Fragment<LogLevel> {
  return fragment({
    example: 'info',
    parse: (text) => {
      const value = logLevels.find((level) => level === text.toLowerCase());
      return value === undefined ? { problem: `is not one of ${logLevels.join(', ')}` } : { value };
    },
  });
}
