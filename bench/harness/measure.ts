import { setTimeout as delay } from 'node:timers/promises';
import { type ServiceProcess, spawnService } from '@event-bus/testkit';
import { cpuTimeBetween, type Processes, readCpuTime } from './cpu.ts';
import type { Run, Stage } from './question.ts';

const patienceMs = 180_000;

/** A run that was not what it should be: its figures mean nothing. */
export class RunInvalidError extends Error {
  readonly code = 'bench_run_invalid';
}

/** Throws unless a figure that shows whether a run was complete is what it should be. */
export function assertCount(what: string, found: number, expected: number): void {
  if (found !== expected) throw new RunInvalidError(`${what}: ${found} instead of ${expected}`);
}

/** Waits for a condition that is looked at every few milliseconds, as long as the program runs. */
async function until(
  condition: () => Promise<boolean>,
  program: ServiceProcess,
  everyMs: number,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  let ended = false;
  void program.exited.then(() => {
    ended = true;
  });
  while (!(await condition())) {
    if (ended || performance.now() > deadline) {
      throw new RunInvalidError(
        `${program.name} did not get there. It printed:\n${program.output().slice(-4_000)}`,
      );
    }
    await delay(everyMs);
  }
}

function processesOf(stage: Stage, program: ServiceProcess, broker = stage.redis.pid): Processes {
  return { program: program.pid, postgres: stage.postgres.pid, redis: broker };
}

interface Program {
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs a program to its end. */
export async function runProgram({ entry, env }: Program): Promise<void> {
  const running = await spawnService({ entry, env });
  const impatience = setTimeout(() => running.kill(), patienceMs);
  const { code, signal } = await running.exited;
  clearTimeout(impatience);
  if (code === 0) return;
  throw new RunInvalidError(
    `${running.name} ended (${signal ?? `status ${code}`}). It printed:\n${running.output().slice(-4_000)}`,
  );
}

/** Measures a program that prints `begin` and `end` around what is to be measured, and ends. */
export async function measureProgram(
  stage: Stage,
  program: Program & {
    readonly events: number;
    /** The process that events come from, if not Redis: its CPU time stands in the place of Redis'. */
    readonly broker?: number;
  },
): Promise<Run> {
  const running = await spawnService({ entry: program.entry, env: program.env });
  try {
    const processes = processesOf(stage, running, program.broker);
    await running.waitFor(/^begin$/m, { timeoutMs: patienceMs });
    const [before, startedAt] = [readCpuTime(processes), performance.now()];
    await running.waitFor(/^end$/m, { timeoutMs: patienceMs });
    const seconds = (performance.now() - startedAt) / 1000;
    return { events: program.events, seconds, cpu: cpuTimeBetween(before, readCpuTime(processes)) };
  } finally {
    await running.stop();
  }
}

/**
 * Measures a service from outside: from when its progress is first seen, until all is done. What it had done when
 * it was first seen does not count, nor does its start.
 */
export async function measureService(
  stage: Stage,
  service: Program & {
    readonly events: number;
    /** Events done; more than 0 as soon as it has begun. */
    progress(): Promise<number>;
  },
): Promise<Run> {
  const running = await spawnService({ entry: service.entry, env: service.env });
  try {
    const processes = processesOf(stage, running);
    let done = 0;
    const look = async () => {
      done = await service.progress();
      return done > 0;
    };
    await until(look, running, 1);
    const [before, startedAt, doneBefore] = [readCpuTime(processes), performance.now(), done];
    await until(async () => (await service.progress()) >= service.events, running, 5);
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = cpuTimeBetween(before, readCpuTime(processes));
    return { events: service.events - Math.floor(doneBefore), seconds, cpu };
  } finally {
    await running.stop();
  }
}
