import type { Command } from 'commander';
import { addDlqDiscard } from './dlq-discard.ts';
import { addDlqGroups } from './dlq-groups.ts';
import { addDlqList } from './dlq-list.ts';
import { addDlqRedrive } from './dlq-redrive.ts';
import { addDlqShow } from './dlq-show.ts';

/** `bus dlq` */
export function addDlq(program: Command): void {
  const dlq = program
    .command('dlq')
    .summary('look at dead letters, bring them back or discard them')
    .description('Looks at what consumer groups gave up, has it handled again, or discards it.')
    .addHelpText('after', '\nExample:\n  $ bus dlq groups');
  addDlqGroups(dlq);
  addDlqList(dlq);
  addDlqShow(dlq);
  addDlqRedrive(dlq);
  addDlqDiscard(dlq);
}
