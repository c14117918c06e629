import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { guardProcess } from './guard.ts';

/** How a process ended: by itself (`code`) or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A child process whose output is kept and which never outlives this process. */
export interface ManagedProcess {
  readonly pid: number;
  /** Resolves when the process has ended and its output has been read; never rejects. */
  readonly exited: Promise<Exit>;
  hasExited(): boolean;
  /** Standard output and standard error as they came; only the end of it if there was very much. */
  output(): string;
  onOutput(listener: () => void): () => void;
  /** Sends the signal, if the process still runs. */
  signal(signal: NodeJS.Signals): void;
  /** Sends the signal and waits for the end; kills a process that has not ended `patienceMs` later. */
  end(signal: NodeJS.Signals, patienceMs?: number): Promise<Exit>;
}

const KEPT_OUTPUT_LENGTH = 1_000_000;

function started(child: ChildProcess, command: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new Error(`${command} could not be started: ${cause.message}`, { cause })),
    );
    child.once('spawn', () => {
      if (child.pid !== undefined) resolve(child.pid);
    });
  });
}

/**
 * Starts a command in a session of its own, so that a Ctrl-C meant for this process does not end it behind its
 * back; it is killed when this process ends, also when this process is killed. Rejects if it cannot be started.
 */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> = {},
): Promise<ManagedProcess> {
  const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-KEPT_OUTPUT_LENGTH);
      for (const listener of listeners) listener();
    });
  }
  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      exit = { code, signal };
      resolve(exit);
    });
  });

  const pid = await started(child, command);
  const release = guardProcess(pid);
  child.once('exit', release);

  const hasExited = () => exit !== undefined || child.exitCode !== null || child.signalCode !== null;
  const signal = (name: NodeJS.Signals) => {
    if (!hasExited()) child.kill(name);
  };
  return {
    pid,
    exited,
    hasExited,
    output: () => output,
    onOutput(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    signal,
    async end(name, patienceMs = 10_000) {
      // A stopped process acts on no signal but SIGKILL until it is continued.
      signal(name);
      signal('SIGCONT');
      const impatience = setTimeout(() => signal('SIGKILL'), patienceMs);
      try {
        return await exited;
      } finally {
        clearTimeout(impatience);
      }
    },
  };
}
