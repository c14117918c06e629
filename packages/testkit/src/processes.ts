import { fileURLToPath } from 'node:url';
import { type Exit, startProcess } from './managed-process.ts';

/** A program to run as a process of its own. */
export interface ServiceOptions {
  /** The TypeScript or JavaScript file to run. */
  readonly entry: string | URL;
  /** The whole environment of the process but for PATH and the compile cache: nothing else is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly args?: readonly string[];
  /** What errors call it; by default its file name. */
  readonly name?: string;
}

/** A running program. It never outlives this process. */
export interface ServiceProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the program has ended; never rejects. */
  readonly exited: Promise<Exit>;
  /** Standard output and standard error as they came; only the end of it if there was very much. */
  output(): string;
  /** Waits until the output matches. Rejects with {@link ServiceOutputError} if the program ends first or the time is up. */
  waitFor(
    expected: RegExp | ((output: string) => boolean),
    options?: { readonly timeoutMs?: number },
  ): Promise<void>;
  /** Sends a signal (SIGKILL by default) and does not wait. SIGSTOP freezes the program, SIGCONT continues it. */
  kill(signal?: NodeJS.Signals): void;
  /** Asks the program to end with SIGTERM and waits; kills it if it has not ended `patienceMs` (40 s) later. */
  stop(options?: { readonly patienceMs?: number }): Promise<Exit>;
}

/** A program did not print what was waited for; the message carries what it did print. */
export class ServiceOutputError extends Error {
  readonly code = 'service_output_missing';
}

function inherited(): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }) };
}

/** Runs a program of the workspace from its sources, with the Node.js that runs this one. */
export async function spawnService(options: ServiceOptions): Promise<ServiceProcess> {
  const entry = options.entry instanceof URL ? fileURLToPath(options.entry) : options.entry;
  const name = options.name ?? entry.split('/').slice(-3).join('/');
  const child = await startProcess(
    process.execPath,
    ['--conditions=@event-bus/source', entry, ...(options.args ?? [])],
    {
      env: { ...inherited(), ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    },
  );

  return {
    name,
    pid: child.pid,
    exited: child.exited,
    output: () => child.output(),
    waitFor(expected, { timeoutMs = 50_000 } = {}) {
      const matches = expected instanceof RegExp ? (text: string) => text.search(expected) !== -1 : expected;
      return new Promise((resolve, reject) => {
        const settle = (outcome: () => void) => {
          clearTimeout(timer);
          stopListening();
          outcome();
        };
        const look = () => {
          if (matches(child.output())) settle(resolve);
        };
        const fail = (why: string) => {
          const message = `${name} ${why} without printing ${String(expected)}. It printed:\n${child.output()}`;
          settle(() => reject(new ServiceOutputError(message)));
        };
        const timer = setTimeout(() => fail(`ran for ${timeoutMs} ms`), timeoutMs);
        const stopListening = child.onOutput(look);
        look();
        void child.exited.then(({ code, signal }) => fail(`ended (${signal ?? `status ${code}`})`));
      });
    },
    kill: (signal = 'SIGKILL') => child.signal(signal),
    stop: ({ patienceMs = 40_000 } = {}) => child.end('SIGTERM', patienceMs),
  };
}
