import type { Command } from 'commander';
import type { SetStatus } from '../exit-status.ts';
import { addRetentionExplain } from './retention-explain.ts';
import { addRetentionStatus } from './retention-status.ts';
import { addRetentionWindows } from './retention-windows.ts';

/** `bus retention` */
export function addRetention(program: Command, setStatus: SetStatus): void {
  const retention = program
    .command('retention')
    .summary('look at what is archived, trimmed and dropped, and what holds it back')
    .description(
      'Looks at how far the streams are archived and trimmed, how long the bus keeps what, and what holds it back from letting go.',
    )
    .addHelpText('after', '\nExample:\n  $ bus retention status');
  addRetentionStatus(retention, setStatus);
  addRetentionExplain(retention, setStatus);
  addRetentionWindows(retention);
}
