import type { Logger } from '@event-bus/telemetry';
import type { StopSignals } from './component.ts';
import { StoppingError } from './errors.ts';

/**
 * How a process stops.
 *
 *     state     event                        next      effect
 *     running   first SIGTERM or SIGINT      draining  not ready, `drain` aborts, exit status stays 0
 *     running   a component or setup fails   draining  the same, exit status becomes 1
 *     draining  drainMs have passed          aborting  `abort` aborts; what is unfinished is logged
 *     aborting  the grace has passed         (exit 1)  what is unfinished is logged
 *     any       second SIGTERM or SIGINT     (exit 1)  at once
 *     any       all is closed                (exit)    with the exit status
 */
export interface Stop extends StopSignals {
  /** 0, or 1 once anything has failed. */
  readonly exitStatus: 0 | 1;
  /** Begins to stop; when that has begun already, only the exit status may still become 1. */
  request(reason: string, exitStatus: 0 | 1): void;
}

const graceMs = 5000;

/** Begins to listen for SIGTERM and SIGINT. `unfinished` names what still runs, for the log. */
export function createStop(options: {
  readonly drainMs: number;
  readonly logger: Logger;
  readonly unfinished: ReadonlySet<string>;
  readonly onStop: () => void;
}): Stop {
  const { drainMs, logger, unfinished, onStop } = options;
  const drain = new AbortController();
  const abort = new AbortController();
  let exitStatus: 0 | 1 = 0;

  const giveUp = (): void => {
    logger.error({ unfinished: [...unfinished] }, 'stop took too long, exiting');
    process.exit(1);
  };
  const abortAll = (): void => {
    logger.warn({ unfinished: [...unfinished], drainMs }, 'drain took too long, aborting');
    abort.abort(new StoppingError('it took too long to drain'));
    setTimeout(giveUp, graceMs);
  };
  const request = (reason: string, status: 0 | 1): void => {
    if (status === 1) exitStatus = 1;
    if (drain.signal.aborted) return;
    logger.info({ reason }, 'stopping');
    onStop();
    setTimeout(abortAll, drainMs);
    drain.abort(new StoppingError(reason));
  };

  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals === 1) {
      request(signal, 0);
      return;
    }
    logger.error({ signal, unfinished: [...unfinished] }, 'second signal, exiting at once');
    process.exit(1);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);

  return {
    drain: drain.signal,
    abort: abort.signal,
    request,
    get exitStatus() {
      return exitStatus;
    },
  };
}
