import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Figure } from './figure.ts';

/** The processes whose CPU time is counted; that of PostgreSQL with its children, those that have ended too. */
export interface Processes {
  readonly program: number;
  readonly postgres: number;
  readonly redis: number;
}

/** CPU time in microseconds; `undefined` where the system does not tell. */
export type CpuTime = Readonly<Record<keyof Processes, number>> | undefined;

const isKnown = existsSync('/proc/self/stat');
const microsecondsPerTick = isKnown
  ? 1_000_000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  : 0;

interface ProcessTimes {
  readonly parent: number;
  readonly own: number;
  readonly endedChildren: number;
}

function timesOf(pid: number): ProcessTimes | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // It has ended meanwhile.
  }
  // The second field is the program's name in parentheses, and may hold spaces.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [, parent = 0] = fields;
  const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11);
  return { parent, own: user + system, endedChildren: childrenUser + childrenSystem };
}

function timeOfFamily(pid: number): number {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => timesOf(Number(name)) ?? [])
    .filter(({ parent }) => parent === pid);
  const head = timesOf(pid);
  return (head?.own ?? 0) + (head?.endedChildren ?? 0) + children.reduce((sum, { own }) => sum + own, 0);
}

/** The CPU time that processes have used so far, in steps of about 10 ms; `undefined` on systems without /proc. */
export function readCpuTime({ program, postgres, redis }: Processes): CpuTime {
  if (!isKnown) return undefined;
  return {
    program: (timesOf(program)?.own ?? 0) * microsecondsPerTick,
    postgres: timeOfFamily(postgres) * microsecondsPerTick,
    redis: (timesOf(redis)?.own ?? 0) * microsecondsPerTick,
  };
}

/** What was used between two readings, per event. */
export function cpuFigures(before: CpuTime, after: CpuTime, events: number): Figure[] {
  if (before === undefined || after === undefined) return [];
  return (['program', 'postgres', 'redis'] as const).map((process) => ({
    name: `CPU ${process}`,
    unit: 'us/event',
    value: (after[process] - before[process]) / events,
  }));
}
