import type { z } from 'zod';
import { ConfigError, type ConfigFault } from './errors.ts';
import { sourceOf } from './same-as.ts';

/** Environment variables by name, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The typed configuration of an environment. The schema's keys are variable names; a variable that is empty
 * counts as absent; variables that the schema does not name are no fault, since the environment is shared.
 *
 * @throws ConfigError with every fault at once. No value is ever quoted in it.
 */
export function loadConfig<Schema extends z.ZodObject>(schema: Schema, env: Environment): z.output<Schema> {
  const input: Record<string, string> = {};
  const borrowed = new Map<string, string>();
  for (const [variable, field] of Object.entries(schema.shape)) {
    const own = present(env[variable]);
    const source = own === undefined ? sourceOf(field) : undefined;
    const value = own ?? (source === undefined ? undefined : present(env[source]));
    if (value !== undefined) input[variable] = value;
    if (source !== undefined) borrowed.set(variable, source);
  }

  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw new ConfigError(faultsOf(result.error, { schema, input, borrowed }));
}

function faultsOf(
  error: z.ZodError,
  from: {
    readonly schema: z.ZodObject;
    readonly input: Readonly<Record<string, string>>;
    readonly borrowed: ReadonlyMap<string, string>;
  },
): ConfigFault[] {
  const faults: ConfigFault[] = [];
  for (const issue of error.issues) {
    const variable = String(issue.path[0] ?? 'environment');
    // What is wrong with a value taken from another variable is reported once, under that variable's name.
    const source = from.borrowed.get(variable);
    if (source !== undefined && source in from.schema.shape) continue;
    const missing = issue.code === 'invalid_type' && !(variable in from.input);
    // zod's own words say nothing of the environment ("expected string, received undefined").
    const problem = missing && issue.message.startsWith('Invalid input') ? 'is missing' : issue.message;
    if (source === undefined) faults.push({ variable, problem });
    else
      faults.push(
        missing ? { variable, problem: `${problem}; ${source} would do` } : { variable: source, problem },
      );
  }
  return faults;
}

function present(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value;
}
