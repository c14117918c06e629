export { assertDirectUrl } from './direct-url.ts';
export { ReconcileInterruptedError } from './errors.ts';
export { type Disposable, type DisposableParts, findDisposable } from './pruning/disposable.ts';
export { createPruneObserver } from './pruning/observer.ts';
export {
  type KeptPartition,
  type PruneParts,
  type PruneReport,
  prune,
  pruneIfLeading,
} from './pruning/prune.ts';
export type { Publisher, PublisherOptions } from './publisher.ts';
export { createPublisher } from './publisher.ts';
export { type StreamSurvey, surveyStream } from './reconcile.ts';
export { type ReconcileOnceOptions, type ReconcileOnceReport, reconcileOnce } from './reconcile-once.ts';
export type { PublisherSettings } from './settings.ts';
export { defaultSettings } from './settings.ts';
