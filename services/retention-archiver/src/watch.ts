import { type Component, pollLoop } from '@event-bus/service';
import type { Logger } from '@event-bus/telemetry';

/** Looks at something again and again, and tells it as metrics. */
export interface Watch {
  look(): Promise<void>;
  /** Forgets what was found last: old figures would look like news. */
  forget(): void;
}

/** The component that looks, and tells nothing while it cannot. */
export function watching(
  watch: Watch,
  {
    name,
    what,
    everyMs,
    logger,
  }: { readonly name: string; readonly what: string; readonly everyMs: number; readonly logger: Logger },
): Component {
  return {
    name,
    run: ({ drain }) =>
      pollLoop({
        intervalMs: everyMs,
        signal: drain,
        run: () => watch.look(),
        onError: (error) => {
          watch.forget();
          logger.warn({ err: error }, `${what} could not be looked at`);
        },
      }),
  };
}
