export { beginHandling, type InboxKey, type InboxRow, recordHandled, settleOutcome } from './handled.ts';
export { ensureInboxPartitions } from './inbox-partitions.ts';
export {
  acquireLease,
  assertLease,
  type GrantedLease,
  type LeaseKey,
  leaseLostState,
  releaseLease,
  renewLease,
} from './leases.ts';
export { type AggregatePosition, type Inversion, recordPositions } from './positions.ts';
