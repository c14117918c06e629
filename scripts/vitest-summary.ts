import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** Prints the counts of a run as its last line: `12 passed, 0 failed, 1 skipped`. */
class Summary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      // A file that does not load, or a hook of a whole suite that throws, has failed without any test having run.
      counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
      for (const test of module.children.allTests()) counts[test.result().state] += 1;
    }
    const lines = [`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`];
    // The reporters run side by side, and the default one is to print before this one.
    process.once('exit', () => console.log(...lines));
  }
}

export default Summary;
