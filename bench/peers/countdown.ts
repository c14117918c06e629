/** Counts events down; `done` resolves with the last of them. */
export function countdown(events: number): { readonly done: Promise<void>; one(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = events;
  return {
    done: promise,
    one() {
      left -= 1;
      if (left === 0) resolve();
    },
  };
}
