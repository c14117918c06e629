export { createDispatcher, type DispatcherOptions } from '../dispatcher.ts';
export type { RunnerGroup } from './group.ts';
export {
  createGroupRunner,
  type GroupRunner,
  type GroupRunnerOptions,
  type GroupRunnerStatus,
} from './group-runner.ts';
export { createLeaseStore } from './lease-store.ts';
export type { LeaseStore } from './leases.ts';
export { defaultRunnerSettings, type RunnerSettings } from './settings.ts';
export { createSolitude, type Solitude } from './solitude.ts';
