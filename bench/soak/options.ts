import { join } from 'node:path';
import { parseArgs } from 'node:util';

/** What the soak was asked for. */
export interface SoakOptions {
  /** How long the rate is held. */
  readonly minutes: number;
  /** Events per second. */
  readonly rate: number;
  /** What is imported at once then: so many times what the rate brings in a tenth of the time. */
  readonly overload: number;
  /** The folder of what is written. */
  readonly out: string;
}

interface Limits {
  readonly otherwise: number;
  readonly most: number;
}

const limits = {
  minutes: { otherwise: 10, most: 600 },
  rate: { otherwise: 1_000, most: 100_000 },
  overload: { otherwise: 5, most: 100 },
} satisfies Partial<Record<keyof SoakOptions, Limits>>;

/** The arguments are none that the soak knows; the message is what to tell the user. */
export class UsageError extends Error {
  readonly code = 'usage';
}

/** How the soak is called. */
export const usage = `Usage: npm run soak -- [options]

  --minutes <n>   how long to hold the rate (default ${limits.minutes.otherwise})
  --rate <n>      events per second (default ${limits.rate.otherwise})
  --overload <n>  then import at once so many times what the rate brings in a tenth of that time (default ${limits.overload.otherwise})
  --out <folder>  where to write figures and plots (default bench/results/soak)
  --help          show this
`;

/**
 * Reads the command line; undefined if all it asks for is help.
 * @throws UsageError it holds something the soak does not know.
 */
export function readOptions(args: readonly string[]): SoakOptions | undefined {
  const values = parse(args);
  if (values.help === true) return undefined;
  return {
    minutes: number('minutes', values.minutes),
    rate: number('rate', values.rate),
    overload: number('overload', values.overload),
    out: values.out ?? join(import.meta.dirname, '..', 'results', 'soak'),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: { minutes: text, rate: text, overload: text, out: text, help: { type: 'boolean' } },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function number(name: keyof typeof limits, text: string | undefined): number {
  const { otherwise, most } = limits[name];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw new UsageError(`--${name} takes a whole number from 1 to ${most}, not ${JSON.stringify(text)}.`);
}
