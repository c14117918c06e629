import type { Logger } from '@event-bus/telemetry';
import type { Component } from './component.ts';
import { ComponentEndedError } from './errors.ts';
import type { Health } from './health.ts';
import type { Stop } from './stop.ts';

/**
 * Runs a component until it has settled; never rejects. If it ends before it was asked to, or with an error
 * that is not the stop's own, the process is not alive any more and begins to stop.
 */
export async function runComponent(
  component: Component,
  context: { readonly logger: Logger; readonly stop: Stop; readonly health: Health },
): Promise<void> {
  const { logger, stop, health } = context;
  try {
    await component.run({ drain: stop.drain, abort: stop.abort });
    if (!stop.drain.aborted) throw new ComponentEndedError(component.name);
  } catch (error) {
    // A component may pass on the reason for which it let go.
    if (stop.drain.aborted && (error === stop.drain.reason || error === stop.abort.reason)) return;
    logger.error({ component: component.name, err: error }, 'component crashed');
    health.crashed(component.name);
    stop.request(`component ${component.name} crashed`, 1);
  }
}
