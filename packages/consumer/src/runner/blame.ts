/**
 * Tells items that fail for reasons of their own from those that may fail because of something that all need: whoever
 * failed, and fails again after others have succeeded, has only itself to blame, from then on.
 */
export interface Blame<Item extends object> {
  /** An item was handled well. */
  succeeded(): void;
  /** To be asked once for each failure of an item. */
  isItsOwn(item: Item): boolean;
}

/** Creates a blame that knows of no failure. */
export function createBlame<Item extends object>(): Blame<Item> {
  /** How many successes there were when it failed last. */
  const failedAt = new WeakMap<Item, number>();
  const toBlame = new WeakSet<Item>();
  let successes = 0;
  return {
    succeeded() {
      successes += 1;
    },
    isItsOwn(item) {
      if (successes > (failedAt.get(item) ?? successes)) toBlame.add(item);
      failedAt.set(item, successes);
      return toBlame.has(item);
    },
  };
}
