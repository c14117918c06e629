/** Part of a piece of work failed; the rest was done. Its cause is the first failure. */
export class PartlyFailedError extends Error {
  override readonly name = 'PartlyFailedError';
  readonly code = 'partly_failed';
  readonly failures: number;

  constructor(what: string, failures: readonly unknown[]) {
    super(`${failures.length} ${what} failed; the cause is the first failure`, { cause: failures[0] });
    this.failures = failures.length;
  }
}

/**
 * Does something with each item, a few at a time. What fails keeps nothing else from being done.
 * @throws PartlyFailedError some failed; thrown when all the others are done.
 */
export async function sideBySide<Item>(
  what: string,
  items: Iterable<Item>,
  { atATime }: { readonly atATime: number },
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const queue = Iterator.from(items);
  const lane = async () => {
    for (const item of queue) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  if (failures.length > 0) throw new PartlyFailedError(what, failures);
}
