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

/** The same of a process and its children, and how many they are. */
export function memoryOfFamily(
  pid: number,
): { readonly bytes: number; readonly processes: number } | undefined {
  const own = memoryOf(pid);
  if (own === undefined) return undefined;
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => fieldOf(child, 'PPid') === pid)
    .flatMap((child) => memoryOf(child) ?? []);
  return { bytes: children.reduce((sum, bytes) => sum + bytes, own), processes: 1 + children.length };
}

function fieldOf(pid: number, field: string): number | undefined {
  try {
    const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}
