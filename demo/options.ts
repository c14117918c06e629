import { parseArgs } from 'node:util';

/** What the demo was asked for. */
export interface DemoOptions {
  readonly events: number;
  /** Events per second. */
  readonly rate: number;
  readonly faults: boolean;
  readonly keep: boolean;
}

/** The arguments are none that the demo knows; the message is what to tell the user. */
export class UsageError extends Error {
  readonly code = 'usage';
}

const defaults = { events: 5_000, rate: 350 };

/** How the demo is called. */
export const usage = `Usage: npm run demo -- [options]

  --events <n>   how many events to produce (default ${defaults.events})
  --rate <n>     how many of them per second (default ${defaults.rate})
  --no-faults    kill no process and leave Redis alone
  --keep         leave everything running at the end and say how to look around
  --help         show this
`;

/**
 * Reads the command line; undefined if all it asks for is help.
 * @throws UsageError it holds something the demo does not know.
 */
export function readOptions(args: readonly string[]): DemoOptions | undefined {
  const values = parse(args);
  if (values.help === true) return undefined;
  return {
    events: count('--events', values.events, defaults.events),
    rate: count('--rate', values.rate, defaults.rate),
    faults: values['no-faults'] !== true,
    keep: values.keep === true,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        events: { type: 'string' },
        rate: { type: 'string' },
        'no-faults': { type: 'boolean' },
        keep: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function count(flag: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 1_000_000) return value;
  throw new UsageError(`${flag} takes a whole number from 1 to 1000000, not ${JSON.stringify(text)}.`);
}
