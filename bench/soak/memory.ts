import { readdirSync, readFileSync } from 'node:fs';

/**
 * The memory of a process that is its own, in bytes: heap, stacks and buffers (RssAnon), without the files of the program and
 * without what PostgreSQL shares among its processes, which it takes up as it is used and has a fixed size. `undefined` on
 * systems without /proc, and of a process that has ended.
 */
export function memoryOf(pid: number): number | undefined {
  const kilobytes = fieldOf(pid, 'RssAnon');
  return kilobytes === undefined ? undefined : kilobytes * 1_024;
}

/** The same of a process and its children. */
export function memoryOfFamily(pid: number): number | undefined {
  const own = memoryOf(pid);
  if (own === undefined) return undefined;
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => fieldOf(child, 'PPid') === pid);
  return children.reduce((sum, child) => sum + (memoryOf(child) ?? 0), own);
}

function fieldOf(pid: number, field: string): number | undefined {
  try {
    const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}
