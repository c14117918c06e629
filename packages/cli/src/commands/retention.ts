import type { Command } from 'commander';
import { addRetentionExplain } from './retention-explain.ts';
import { addRetentionStatus } from './retention-status.ts';

/** `bus retention` */
export function addRetention(program: Command): void {
  const retention = program
    .command('retention')
    .summary('look at what is archived and trimmed, and what keeps entries in memory')
    .description(
      'Looks at how far the streams are archived and trimmed, and at what stands against trimming.',
    )
    .addHelpText('after', '\nExample:\n  $ bus retention status');
  addRetentionStatus(retention);
  addRetentionExplain(retention);
}
