/** Writes a line, or several, for people or scripts. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes what is not the command's result: errors, hints, progress. */
export function printError(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes a value for scripts. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}
