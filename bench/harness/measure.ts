import { setTimeout as delay } from 'node:timers/promises';
import { type ServiceProcess, spawnService } from '@event-bus/testkit';
import { courseOf, type Sample } from './course.ts';
import { cpuFigures, type Processes, readCpuTime } from './cpu.ts';
import { rateFigure } from './figure.ts';
import type { Run, Stage } from './question.ts';

const patienceMs = 600_000;

/** A run that was not what it should be: its figures mean nothing. */
export class RunInvalidError extends Error {
  readonly code = 'bench_run_invalid';
}

/** Throws unless a figure that shows whether a run was complete is what it should be. */
export function assertCount(what: string, found: number, expected: number): void {
  if (found !== expected) throw new RunInvalidError(`${what}: ${found} instead of ${expected}`);
}

/**
 * Waits for a condition that is looked at every few milliseconds, as long as the program runs.
 * @throws RunInvalidError the program has ended, or the condition did not come true.
 */
export async function until(
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

/** A program to run, and what it is told. */
export interface Program {
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs a program for the time of a call. */
export async function withProgram<Result>(
  program: Program,
  use: (running: ServiceProcess) => Promise<Result>,
): Promise<Result> {
  const running = await spawnService(program);
  try {
    return await use(running);
  } finally {
    await running.stop();
  }
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
export function measureProgram(
  stage: Stage,
  program: Program & {
    readonly events: number;
    /** The process that events come from, if not Redis: its CPU time stands in the place of Redis'. */
    readonly broker?: number;
  },
): Promise<Run> {
  const { events, broker } = program;
  return withProgram(program, async (running) => {
    const processes = processesOf(stage, running, broker);
    await running.waitFor(/^begin$/m, { timeoutMs: patienceMs });
    const [before, startedAt] = [readCpuTime(processes), performance.now()];
    await running.waitFor(/^end$/m, { timeoutMs: patienceMs });
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = cpuFigures(before, readCpuTime(processes), events);
    return { events, figures: [rateFigure(events, seconds), ...cpu] };
  });
}

/**
 * Measures a service from outside: from when its progress is first seen, until all is done. What it had done when
 * it was first seen does not count, nor does its start.
 */
export function measureService(
  stage: Stage,
  service: Program & {
    readonly events: number;
    /** Events done; more than 0 as soon as it has begun. */
    progress(): Promise<number>;
  },
): Promise<Run> {
  return withProgram(service, async (running) => {
    const processes = processesOf(stage, running);
    let done = 0;
    const hasReached = async (events: number) => {
      done = await service.progress();
      return done >= events;
    };
    await until(() => hasReached(Number.MIN_VALUE), running, 1);
    const [before, startedAt, doneBefore] = [readCpuTime(processes), performance.now(), done];
    const samples: Sample[] = [[startedAt, done]];
    const look = async () => {
      const reached = await hasReached(service.events);
      samples.push([performance.now(), done]);
      return reached;
    };
    await until(look, running, 20);
    const seconds = (performance.now() - startedAt) / 1000;
    const events = service.events - Math.floor(doneBefore);
    const cpu = cpuFigures(before, readCpuTime(processes), events);
    return { events, figures: [rateFigure(events, seconds), ...cpu], course: courseOf(samples) };
  });
}
