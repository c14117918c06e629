import type { Edit } from './mutation.ts';

/** A mutation does not fit the sources any more: the list must be brought up to date. */
export class MutationOutdatedError extends Error {
  readonly code = 'mutation_outdated';
}

/** Returns the new text of every file that the edits change. Writes nothing. */
export function applyEdits(
  name: string,
  edits: readonly Edit[],
  read: (file: string) => string,
): Map<string, string> {
  const changed = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const text = changed.get(file) ?? read(file);
    const parts = text.split(find);
    if (parts.length !== 2) {
      throw new MutationOutdatedError(
        `${name}: what it changes in ${file} occurs ${parts.length - 1} times there, and must occur once:\n${find}`,
      );
    }
    changed.set(file, parts.join(replace));
  }
  return changed;
}
