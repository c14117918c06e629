import { ContractDefinitionError } from './errors.ts';

/** What topic names and event types look like: they become Redis keys, metric labels and file names. */
export const namePattern = /^[a-z][a-z0-9_.-]*$/;

/** Refuses a declared name that {@link namePattern} does not match. `what` says whose name it is. */
export function assertName(what: string, name: string): void {
  if (!namePattern.test(name)) {
    throw new ContractDefinitionError(
      `${what} "${name}" must start with a lower-case letter and hold only a-z, 0-9, "_", "." and "-"`,
    );
  }
}
