import type { Dispatcher, Progress, Settlement, Work } from '../../settlement.ts';

/** One attempt as a dispatcher saw it. */
export interface Attempt {
  readonly eventId: string;
  readonly aggregateId: string;
  readonly attempt: number;
  readonly deliveries: number;
  readonly lease: bigint | undefined;
}

/** What becomes of an attempt. `committing` is what a dispatcher calls when it has sent COMMIT. */
export type Script = (
  attempt: Attempt,
  signal: AbortSignal,
  committing: () => void,
) => Settlement | Promise<Settlement>;

/** Handled. */
export const done: Settlement = { kind: 'settled', how: 'done' };

/** Failed, to be tried again after a while. */
export function failed(delayMs: number): Settlement {
  return { kind: 'failed', counted: true, reason: 'error', error: new Error('the handler threw'), delayMs };
}

/** Handled before. */
export const duplicate: Settlement = { kind: 'settled', how: 'duplicate' };

/** Says which of the events that are looked up, by their IDs, are settled. */
export type LookUp = (eventIds: readonly string[]) => readonly string[];

/** A dispatcher that remembers what it was given, and does with it what the script says. */
export function createScriptedDispatcher(script: Script = () => done, lookUp: LookUp = () => []) {
  const begun: Attempt[] = [];
  const ended: (Attempt & { readonly kind: Settlement['kind'] })[] = [];
  let running = 0;
  let mostRunning = 0;

  async function handle(
    { delivery, attempt, lease }: Work,
    signal: AbortSignal,
    progress?: Progress,
  ): Promise<Settlement> {
    const seen: Attempt = {
      eventId: delivery.fields.event_id ?? '',
      aggregateId: delivery.fields.aggregate_id ?? '',
      attempt,
      deliveries: delivery.deliveries,
      lease: lease?.token,
    };
    begun.push(seen);
    running += 1;
    mostRunning = Math.max(mostRunning, running);
    const settlement = await script(seen, signal, () => progress?.committing());
    running -= 1;
    ended.push({ ...seen, kind: settlement.kind });
    return settlement;
  }

  const dispatcher: Dispatcher = {
    handle,
    async handleTogether(works, signal) {
      const settlements: Settlement[] = [];
      for (const work of works) settlements.push(await handle(work, signal));
      return settlements;
    },
    async findSettled(deliveries) {
      const idOf = ({ fields }: (typeof deliveries)[number]) => fields.event_id ?? '';
      const settled = lookUp(deliveries.map(idOf));
      return new Set(deliveries.filter((delivery) => settled.includes(idOf(delivery))));
    },
  };
  return {
    dispatcher,
    begun,
    ended,
    /** Event IDs that were settled, in that order. */
    settled: () => ended.filter(({ kind }) => kind === 'settled').map(({ eventId }) => eventId),
    mostRunning: () => mostRunning,
  };
}

/** Waits in a handler until told to go on, or the runner aborts. */
export function createGate() {
  const opened = Promise.withResolvers<void>();
  return {
    open: () => opened.resolve(),
    async pass(signal: AbortSignal): Promise<Settlement> {
      const stopped = new Promise<'aborted'>((resolve) => {
        if (signal.aborted) resolve('aborted');
        signal.addEventListener('abort', () => resolve('aborted'), { once: true });
      });
      const how = await Promise.race([opened.promise, stopped]);
      return how === 'aborted' ? { kind: 'interrupted', cause: 'shutdown', error: signal.reason } : done;
    },
  };
}
