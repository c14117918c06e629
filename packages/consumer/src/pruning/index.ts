export { createInboxPruneObserver } from './observer.ts';
export { type InboxPruneReport, type KeptInboxPartition, pruneInbox } from './prune-inbox.ts';
export { findReach, type Reach, type ReachParts } from './reach.ts';
