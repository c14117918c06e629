import { createOutage, type Outage } from './outage.ts';
import { pause, within } from './pause.ts';
import { type RunnerState, releaseSoon } from './runner-state.ts';
import type { StreamSlot } from './stream-slot.ts';

/** Where the leases of an ordered group are kept; it goes by its own clock. */
export interface LeaseStore {
  /** The token of a new lease, greater than all before, or `undefined` while another holder's is valid. */
  acquire(lease: {
    readonly stream: string;
    readonly holder: string;
    readonly ttlMs: number;
  }): Promise<bigint | undefined>;
  /** Whether the lease still was this holder's and is valid for `ttlMs` more. */
  renew(lease: { readonly stream: string; readonly token: bigint; readonly ttlMs: number }): Promise<boolean>;
  /** Ends it, if it is still the one with this token. */
  release(lease: { readonly stream: string; readonly token: bigint }): Promise<void>;
}

/**
 * Acquires the lease of a stream, not after `drain`, and renews it until `stop`. A lease that could not be renewed
 * in time is given up here, by this process's own clock, before another runner can have it. (A process that was
 * frozen cannot do that in time: its transactions are refused by the token.)
 */
export async function tendLease(
  state: RunnerState,
  parts: {
    readonly slot: StreamSlot;
    readonly store: LeaseStore;
    readonly drain: AbortSignal;
    readonly stop: AbortSignal;
  },
): Promise<void> {
  const { slot, store, drain } = parts;
  const { settings, logger } = state;
  const outage = createOutage(`the lease of ${slot.stream}`, logger);
  while (!drain.aborted) {
    const ttlMs = settings.leaseTtlMs;
    const validUntil = performance.now() + ttlMs;
    try {
      const token = await store.acquire({ stream: slot.stream, holder: state.consumer, ttlMs });
      outage.recovered();
      if (token === undefined) {
        await pause(ttlMs / 6, drain);
        continue;
      }
      logger.info({ stream: slot.stream, leaseToken: String(token) }, 'handling this stream');
      slot.leaseAcquired(token, validUntil);
      await renewUntilLost(state, { ...parts, token, validUntil, outage });
    } catch (error) {
      await pause(outage.failed(error), drain);
    }
  }
}

async function renewUntilLost(
  state: RunnerState,
  parts: {
    readonly slot: StreamSlot;
    readonly store: LeaseStore;
    readonly stop: AbortSignal;
    readonly token: bigint;
    readonly validUntil: number;
    readonly outage: Outage;
  },
): Promise<void> {
  const { slot, store, stop, token, outage } = parts;
  const { leaseTtlMs: ttlMs } = state.settings;
  let { validUntil } = parts;
  let waitMs = ttlMs / 3;
  for (;;) {
    // Woken by every change of the stream's state; only the loss of the lease matters here.
    const renewAt = performance.now() + waitMs;
    while (performance.now() < renewAt && !stop.aborted && slot.lease?.token === token) {
      await slot.changed.wait(renewAt - performance.now(), stop);
    }
    if (stop.aborted || slot.lease?.token !== token) return;
    const askedAt = performance.now();
    const renewal = store.renew({ stream: slot.stream, token, ttlMs }).then(
      (renewed) => (renewed ? ('renewed' as const) : ('lost' as const)),
      (error: unknown) => {
        waitMs = Math.min(outage.failed(error), ttlMs / 6);
        return 'unknown' as const;
      },
    );
    const outcome = await within(renewal, validUntil - askedAt, 'unknown' as const);
    if (outcome === 'renewed') {
      outage.recovered();
      validUntil = askedAt + ttlMs;
      slot.leaseRenewed(validUntil);
      waitMs = ttlMs / 3;
    }
    if (outcome === 'lost' || performance.now() >= validUntil) {
      if (slot.lease?.token === token) loseLease(state, slot);
      return;
    }
  }
}

/** Stops handling a stream: what waits is handed back, what runs is aborted and could not commit any more. */
export function loseLease(state: RunnerState, slot: StreamSlot): void {
  if (slot.lease === undefined) return;
  state.logger.warn(
    { stream: slot.stream },
    'the lease of this stream was lost: another runner may handle it',
  );
  slot.leaseLost();
  const waiting = state.lanes.drop(({ delivery }) => delivery.stream === slot.stream, 'all');
  // Only those that are still this runner's, so it cannot disturb its successor, who claims them in any case.
  releaseSoon(state, waiting);
  standDown(state);
}

/** What {@link tendLease} does by this process's own clock, for those who come before it. */
export function loseExpiredLease(state: RunnerState, slot: StreamSlot): void {
  if (performance.now() >= slot.leaseUntil) loseLease(state, slot);
}

/** Who handles no stream any more has nothing that could close its circuit, and would report it as open for ever. */
function standDown({ slots, circuit, control, logger }: RunnerState): void {
  if (slots.some(({ lease }) => lease !== undefined) || !circuit.standDown()) return;
  logger.info({}, 'no stream of the group is handled here any more, so the circuit is closed');
  control.changed();
}
