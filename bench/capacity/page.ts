import { join } from 'node:path';

/** The page that holds the tables. */
export const page = join(import.meta.dirname, '..', '..', 'docs', 'scaling.md');

/**
 * Puts tables into the places that a page keeps for them.
 * @throws Error the page has no place for one of them.
 */
export function fillIn(text: string, tables: ReadonlyMap<string, string>): string {
  let filled = text;
  for (const [name, table] of tables) {
    const place = new RegExp(`(<!-- ${name}: npm run capacity -->\\n)[\\s\\S]*?(\\n<!-- end -->)`);
    if (!place.test(filled)) throw new Error(`${page} has no place for the table "${name}".`);
    filled = filled.replace(place, (_, begin: string, end: string) => `${begin}\n${table}\n${end}`);
  }
  return filled;
}
