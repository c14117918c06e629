export { backoff } from './backoff.ts';
export type { Component, HealthCheck, StopSignals } from './component.ts';
export { CloseError, ComponentEndedError, ListenError, NoAnswerError, StoppingError } from './errors.ts';
export { pollLoop } from './poll-loop.ts';
export {
  runService,
  type Service,
  type ServiceConfig,
  type ServiceParts,
  type SetupContext,
} from './run-service.ts';
export type { Scope } from './scope.ts';
export { sleep } from './sleep.ts';
export { waitFor } from './wait-for-dependency.ts';
