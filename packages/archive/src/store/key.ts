/** Refuses what is no key: a file store would leave its folder, or two keys would be one file. */
export function assertKey(key: string): void {
  const isKey =
    key.isWellFormed() &&
    !key.includes('\0') &&
    key.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!isKey)
    throw new RangeError(`${JSON.stringify(key)} is no key: parts separated by "/", none empty, "." or ".."`);
}

/** The order of keys in a list: that of their UTF-8 bytes. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
