import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';

/**
 * Asks before something is destroyed; ends the command where nobody can be asked. `false`: the answer was anything but
 * yes.
 */
export async function confirm(command: Command, question: string): Promise<boolean> {
  if (!process.stdin.isTTY) command.error('error: there is no terminal to ask at: give --yes to go ahead');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
