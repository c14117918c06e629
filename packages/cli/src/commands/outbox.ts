import type { Command } from 'commander';
import type { SetStatus } from '../exit-status.ts';
import { addOutboxParked } from './outbox-parked.ts';
import { addOutboxRetry } from './outbox-retry.ts';
import { addOutboxStatus } from './outbox-status.ts';

/** `bus outbox` */
export function addOutbox(program: Command, setStatus: SetStatus): void {
  const outbox = program
    .command('outbox')
    .summary('look at the outbox, bring back what is parked')
    .description('Looks at the outbox in DATABASE_URL and brings back events that could not be written.')
    .addHelpText('after', '\nExample:\n  $ bus outbox status');
  addOutboxStatus(outbox);
  addOutboxParked(outbox);
  addOutboxRetry(outbox, setStatus);
}
