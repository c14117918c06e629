import type { Command } from 'commander';
import type { SetStatus } from '../exit-status.ts';
import { addDlqDiscard } from './dlq-discard.ts';
import { addDlqExport } from './dlq-export.ts';
import { addDlqGroups } from './dlq-groups.ts';
import { addDlqImport } from './dlq-import.ts';
import { addDlqList } from './dlq-list.ts';
import { addDlqRedrive } from './dlq-redrive.ts';
import { addDlqShow } from './dlq-show.ts';

/** `bus dlq` */
export function addDlq(program: Command, setStatus: SetStatus): void {
  const dlq = program
    .command('dlq')
    .summary('look at dead letters, bring them back or discard them')
    .description('Looks at what consumer groups gave up, has it handled again, or discards it.')
    .addHelpText('after', '\nExample:\n  $ bus dlq groups');
  addDlqGroups(dlq);
  addDlqList(dlq);
  addDlqShow(dlq);
  addDlqRedrive(dlq, setStatus);
  addDlqDiscard(dlq);
  addDlqExport(dlq);
  addDlqImport(dlq);
}
