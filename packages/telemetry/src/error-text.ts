/**
 * The text of whatever was thrown: name and message of an error, and what anything else is as a string. Never throws, though
 * handlers may throw what has no text, such as an object without a prototype.
 */
export function errorText(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return `a value of type ${typeof error} that has no text`;
  }
}
