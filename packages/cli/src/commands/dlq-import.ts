import { createReadStream } from 'node:fs';
import { databaseConfig, loadConfig } from '@event-bus/config';
import { checkLetters, type ImportReport, importLetters } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { plural } from '../format.ts';
import { inboxConfig } from '../inbox-config.ts';
import { readLines } from '../lines.ts';
import { type RecordOptions, toRecord, withJson, withRecord } from '../options.ts';
import { createProgressLine, print, printJson } from '../output.ts';

const config = z.object({
  ...inboxConfig,
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
});

interface ImportOptions extends RecordOptions {
  readonly dryRun?: true;
  readonly json?: true;
}

/** `bus dlq import` */
export function addDlqImport(dlq: Command): void {
  withRecord(
    withJson(dlq.command('import').argument('<file>', 'lines of dead letters, or - for standard input')),
  )
    .summary('bring exported or discarded letters back')
    .description(
      'Brings letters that were exported, or written to a file as they were discarded, back as dead letters where they are ' +
        'missing. What is handled or open here stays as it is, so it may be repeated. A file is checked whole first: a line that ' +
        'does not fit is named, and nothing is done.',
    )
    .option('--dry-run', 'only check the lines')
    .addHelpText('after', '\nExample:\n  $ bus dlq import letters.ndjson')
    .action(async (file: string, options: ImportOptions) => {
      const env = loadConfig(config, process.env);
      const lines = () => readLines(file === '-' ? process.stdin : createReadStream(file));
      await withConnections(async (connections) => {
        const [{ db }, { db: bus }] = await Promise.all([
          connections.database(env.INBOX_DATABASE_URL),
          connections.database(env.BUS_DATABASE_URL),
        ]);
        const databases = { db, bus };
        if (options.dryRun === true) {
          const letters = await checkLetters(databases, lines());
          if (options.json === true) return printJson({ letters });
          return print(`${plural(letters, 'letter')} could be imported. Nothing was changed.`);
        }
        // What comes through a pipe cannot be read twice.
        if (file !== '-') await checkLetters(databases, lines());
        const progress = createProgressLine();
        const request = {
          ...toRecord(options),
          from: file === '-' ? 'standard input' : file,
          onProgress: ({ letters }: ImportReport) => progress.show(`${plural(letters, 'letter')} looked at`),
        };
        const report = await importLetters(databases, lines(), request).finally(() => progress.clear());
        if (options.json === true) printJson(report);
        else print(describe(report));
      });
    });
}

function describe({ letters, broughtBack, open, handled }: ImportReport): string {
  return `${broughtBack} of ${plural(letters, 'letter')} brought back; ${open} open already, ${handled} handled.`;
}
