import { CloseError } from './errors.ts';

/** What a process holds open. All of it is closed when the process stops, the last opened first. */
export interface Scope {
  /** Closes the resource at the end, and hands it back. */
  use<Resource extends { close(): Promise<void> }>(resource: Resource): Resource;
  /** Does this at the end. */
  defer(release: () => Promise<void>): void;
}

/** A scope with its end. */
export interface ClosableScope extends Scope {
  /**
   * Closes everything, one after another, the last opened first. A failure does not keep the rest from being
   * closed. Closing twice closes nothing twice.
   *
   * @throws CloseError when something could not be closed.
   */
  close(): Promise<void>;
}

/** An empty scope. */
export function createScope(): ClosableScope {
  const releases: (() => Promise<void>)[] = [];
  return {
    use(resource) {
      releases.push(() => resource.close());
      return resource;
    },
    defer(release) {
      releases.push(release);
    },
    async close() {
      const errors: unknown[] = [];
      for (let release = releases.pop(); release !== undefined; release = releases.pop()) {
        try {
          await release();
        } catch (error) {
          errors.push(error);
        }
      }
      if (errors.length > 0) throw new CloseError(errors);
    },
  };
}
