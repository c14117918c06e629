/** What a program was told through its environment. */
export function parameter(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is missing in the environment`);
  return value;
}

/** A whole number in the environment. */
export function count(name: string): number {
  return Number.parseInt(parameter(name), 10);
}

/** A whole number that may be in the environment. */
export function countOr(name: string, usual: number): number {
  return process.env[name] === undefined ? usual : count(name);
}
