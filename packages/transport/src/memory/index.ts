export type { MemoryBroker } from './broker.ts';
export { createMemoryBroker } from './broker.ts';
