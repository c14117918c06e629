import { loadConfig } from '@event-bus/config';
import {
  checkPayload,
  type FollowOptions,
  findLetterToEdit,
  isSamePayload,
  type LetterSelection,
  previewRedrive,
  type RedriveProgress,
  redriveDeadLetters,
  redriveEdited,
  UnchangedPayloadError,
} from '@event-bus/operations';
import { type Command, InvalidArgumentError } from 'commander';
import { withConnections } from '../connections.ts';
import { editJson, readJson } from '../edit-json.ts';
import type { SetStatus } from '../exit-status.ts';
import { describeFailure } from '../failure.ts';
import { plural } from '../format.ts';
import { interruption } from '../interruption.ts';
import { parseCount, timeoutOption, toRecord } from '../options.ts';
import { createProgressLine, print, printError, printJson } from '../output.ts';
import { printPreview } from './dlq-preview.ts';
import { describeRedrive, isComplete } from './dlq-redrive-report.ts';
import {
  type ChangeOptions,
  changeConfig,
  openLetters,
  selectionOfMany,
  withChange,
} from './dlq-selection.ts';

interface RedriveOptions extends ChangeOptions {
  readonly rate?: number;
  readonly batches?: readonly number[];
  readonly stopOnFailure?: true;
  readonly wait: boolean;
  readonly timeout: number;
  readonly edit?: true;
  readonly payload?: string;
}

type Servers = Parameters<typeof redriveDeadLetters>[0];

/** `bus dlq redrive` */
export function addDlqRedrive(dlq: Command, setStatus: SetStatus): void {
  withChange(dlq.command('redrive'))
    .summary('have dead letters handled again')
    .description(
      'Has dead letters handled again by their group, and by no other, in the order of their events, and follows them to their ' +
        'end. What is still broken becomes a dead letter again. Letters that die after this began are not taken. In groups ' +
        'that hold, what waits behind a letter follows it. Exit status 1 unless all were handled. Killed, it may be run again.',
    )
    .option(
      '--batches <sizes>',
      'follow so many to their end first, then so many …: 1,5,50,500',
      parseBatches,
    )
    .option('--stop-on-failure', 'hand over no more once one has failed again')
    .option('--rate <n>', 'hand over at most so many in a second', parseCount(1))
    .option('--edit', 'change the payload of the one letter in $EDITOR first')
    .option(
      '--payload <file>',
      'replace the payload of the one letter by this JSON first; - for standard input',
    )
    .option('--no-wait', 'hand all over and return')
    .addOption(timeoutOption('stop following when nothing has changed for so long', 300_000))
    .addHelpText(
      'after',
      '\nExample:\n  $ bus dlq redrive --group welcome-email --batches 1,5,50,500 --stop-on-failure',
    )
    .action(async (eventIds: readonly string[] | undefined, options: RedriveOptions, command: Command) => {
      assertFitting(command, options);
      const selection = selectionOfMany(command, eventIds, options);
      const env = loadConfig(changeConfig, process.env);
      await withConnections(async (connections) => {
        const db = await openLetters(connections, env.INBOX_DATABASE_URL, selection);
        if (options.edit === undefined && options.payload === undefined && options.dryRun === true) {
          const preview = await previewRedrive({ db }, selection, options.limit);
          printPreview(preview, 'redriven', options.json, describeBatches(preview.letters, options));
          return;
        }
        const servers = { db, mover: connections.redis(env.REDIS_URL).mover() };
        const report = await redrive(servers, selection, options);
        if (report === undefined) return print('The payload fits its contract. Nothing was changed.');
        if (options.json === true) printJson(report);
        else print(describeRedrive(report, options.wait));
        if (options.wait && !isComplete(report)) setStatus(1);
      });
    });
}

/** `undefined`: nothing was to be done but to check. */
async function redrive(servers: Servers, selection: LetterSelection, options: RedriveOptions) {
  const { limit, rate: perSecond, batches, stopOnFailure = false, edit, payload, wait } = options;
  const follow = wait ? followOnTerminal(options.timeout) : null;
  const request = { ...toRecord(options), follow };
  try {
    if (edit === undefined && payload === undefined) {
      return await redriveDeadLetters(servers, selection, {
        ...request,
        limit,
        perSecond,
        batches,
        stopOnFailure,
      });
    }
    const letter = await findLetterToEdit(servers, selection);
    const text =
      payload === undefined
        ? await editJson(letter.fields.payload ?? '', (edited) => checkPayload(letter, edited))
        : checkPayload(letter, await readJson(payload));
    if (options.dryRun === true) return undefined;
    if (!isSamePayload(letter, text)) return await redriveEdited(servers, letter, text, request);
    if (edit === true) throw new UnchangedPayloadError(letter);
    printError('The letter has this payload already: it is redriven as it is.');
    const only = { group: letter.group, eventIds: [letter.eventId] };
    return await redriveDeadLetters(servers, only, { ...request, limit: 1, stopOnFailure });
  } finally {
    follow?.end();
  }
}

function followOnTerminal(patienceMs: number): FollowOptions & { readonly end: () => void } {
  const line = createProgressLine();
  return {
    patienceMs,
    signal: interruption(),
    onProgress: (progress) => line.show(progressText(progress)),
    onAway: (error) => line.show(`${describeFailure(error)}; waiting for it`),
    end: () => line.clear(),
  };
}

function progressText({ done, dead, redriving }: RedriveProgress): string {
  return `${plural(done + dead + redriving, 'letter')} handed over: ${done} handled, ${dead} dead again, ${redriving} waiting`;
}

function assertFitting(command: Command, options: RedriveOptions): void {
  const { wait, batches, stopOnFailure, edit, payload } = options;
  if (!wait && (batches !== undefined || stopOnFailure !== undefined)) {
    command.error('error: --batches and --stop-on-failure need to wait: leave --no-wait away');
  }
  if (edit !== undefined && payload !== undefined) command.error('error: give --edit or --payload, not both');
}

function describeBatches(letters: number, { batches }: RedriveOptions): string[] {
  if (batches === undefined || letters === 0) return [];
  const sizes: number[] = [];
  for (let left = letters; left > 0 && sizes.length < 20; left -= sizes.at(-1) ?? left) {
    sizes.push(Math.min(left, batches[Math.min(sizes.length, batches.length - 1)] ?? left));
  }
  const isAll = sizes.reduce((sum, size) => sum + size, 0) === letters;
  return [`In batches of ${sizes.join(', ')}${isAll ? '' : ', …'}.`];
}

function parseBatches(text: string): number[] {
  const sizes = text.split(',').map((size) => size.trim());
  if (sizes.every((size) => /^[1-9]\d{0,8}$/.test(size))) return sizes.map(Number);
  throw new InvalidArgumentError('It must be sizes such as 1,5,50,500.');
}
