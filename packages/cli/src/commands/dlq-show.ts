import { loadConfig } from '@event-bus/config';
import { findEdits, findLetters } from '@event-bus/operations';
import type { Command } from 'commander';
import { withConnections } from '../connections.ts';
import { parseEventId } from '../options.ts';
import { printJson } from '../output.ts';
import { lookConfig } from './dlq-selection.ts';

/** `bus dlq show` */
export function addDlqShow(dlq: Command): void {
  dlq
    .command('show')
    .argument('<event_id>', 'an event that a group gave up', parseEventId)
    .summary('show all there is about a dead letter')
    .description(
      'Prints as JSON what is known of an event that was given up: its fields, each attempt, the stack. One letter per group ' +
        'that gave it up, whatever became of it, with the payloads that were replaced (edits).',
    )
    .addHelpText('after', '\nExample:\n  $ bus dlq show 0f8fad5b-d9cb-469f-a165-70867728950e')
    .action(async (eventId: string) => {
      const env = loadConfig(lookConfig, process.env);
      const { letters, edits } = await withConnections(async (connections) => {
        const { db } = await connections.database(env.INBOX_DATABASE_URL);
        return { letters: await findLetters(db, eventId), edits: await findEdits(db, eventId) };
      });
      if (letters.length === 0) {
        throw new Error(`no group has given event ${eventId} up: \`bus dlq list\` lists those that were`);
      }
      printJson(
        letters.map((letter) => ({
          ...letter,
          history: letter.history.map((attempt) => ({ ...attempt, at: new Date(attempt.at) })),
          edits: edits.filter(
            ({ group, replayId }) => group === letter.group && replayId === letter.replayId,
          ),
        })),
      );
    });
}
