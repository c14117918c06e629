import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from './machine.ts';
import type { Answer } from './rounds.ts';

/** An answer on record. */
export type StoredAnswer = Answer & {
  /** When it was measured, in ISO 8601. */
  readonly at: string;
  readonly loadAverageBefore: string;
};

/** The last answer to each question. */
export interface Results {
  readonly machine: Machine;
  readonly answers: readonly StoredAnswer[];
}

/** The file of the last whole runs. */
export const latestResults = join(import.meta.dirname, '..', 'results', 'latest.json');

/** What a file has on record; `undefined` if there is none. Answers in the shape of earlier releases are left out. */
export async function readResults(file: string): Promise<Results | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { machine, answers } = JSON.parse(text) as Results;
  return { machine, answers: answers.filter(({ variants }) => variants.every((one) => 'figures' in one)) };
}

/** Puts answers on record in a file. Those to other questions stay as they are. */
export async function storeResults(file: string, { machine, answers }: Results): Promise<void> {
  const kept = ((await readResults(file))?.answers ?? []).filter(
    ({ question }) => !answers.some((one) => one.question === question),
  );
  const results: Results = { machine, answers: [...kept, ...answers] };
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
}
