import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What a run of tests said. */
export type TestRun =
  | { readonly kind: 'passed'; readonly tests: number }
  /** `test`: the first that failed. */
  | { readonly kind: 'failed'; readonly test: string }
  /** No test had a say: none ran, a file does not load, or the time was up. */
  | { readonly kind: 'unclear'; readonly why: string };

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
    }[];
  }[];
}

const keptOutput = 20_000;

/** Runs test files of a workspace, until the first failure. */
export async function runTests(
  workspace: string,
  options: {
    readonly files: readonly string[];
    readonly only?: string | undefined;
    readonly limitMs: number;
  },
): Promise<TestRun> {
  const report = join(workspace, 'mutants-report.json');
  rmSync(report, { force: true });
  const args = ['run', '--bail=1', '--reporter=json', `--outputFile=${report}`];
  if (options.only !== undefined) args.push('-t', options.only);
  const { output, isLate } = await execute('vitest', [...args, ...options.files], workspace, options.limitMs);
  if (isLate) return { kind: 'unclear', why: `the tests took more than ${options.limitMs / 1_000} s` };
  const results = readReport(report)?.testResults;
  if (results === undefined)
    return { kind: 'unclear', why: `vitest gave no report:\n${output.slice(-2_000)}` };
  const tests = results.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.find(({ status }) => status === 'failed');
  if (failed !== undefined) return { kind: 'failed', test: failed.fullName };
  const unloaded = results.find(({ message }) => message !== '');
  if (unloaded !== undefined) return { kind: 'unclear', why: unloaded.message.slice(0, 2_000) };
  const passed = tests.filter(({ status }) => status === 'passed').length;
  return passed > 0 ? { kind: 'passed', tests: passed } : { kind: 'unclear', why: 'no test ran' };
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch {
    return undefined;
  }
}

/** In a process group of its own, so that what it has started ends with it. */
async function execute(
  command: string,
  args: readonly string[],
  cwd: string,
  limitMs: number,
): Promise<{ output: string; isLate: boolean }> {
  const child = spawn(command, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-keptOutput);
    });
  }
  let isLate = false;
  const end = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, limitMs);
  const interrupt = () => {
    end();
    process.exit(130);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  clearTimeout(timer);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  return { output, isLate };
}
