import { readFileSync } from 'node:fs';
import type { Figure } from './figure.ts';

/** What the figure is called. */
export const peakMemory = 'peak memory';

/** The system does not tell how much memory a process has had. */
export class MemoryUnknownError extends Error {
  readonly code = 'bench_memory_unknown';
}

/**
 * The most resident memory that a process has had so far.
 * @throws MemoryUnknownError
 */
export function peakMemoryFigure(pid: number): Figure {
  return { name: peakMemory, unit: 'MiB', value: readPeakKibibytes(pid) / 1024 };
}

function readPeakKibibytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]);
  } catch (cause) {
    throw new MemoryUnknownError(
      `the memory of process ${pid} cannot be read from /proc: measure on Linux, and while the process runs`,
      { cause },
    );
  }
}
