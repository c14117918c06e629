import { defineConfig } from 'vitest/config';

const integration = [
  'packages/*/src/**/*.int.test.ts',
  'services/*/src/**/*.int.test.ts',
  'tests/**/*.test.ts',
];
const unit = ['packages/*/src/**/*.test.ts', 'services/*/src/**/*.test.ts', '{bench,scripts}/**/*.test.ts'];
// Those that need no servers.
const readers = [
  'dependency-rules',
  'compose',
  'docs-links',
  'env-example',
  'runbooks',
  'scaling',
  'soak-checks',
].map((name) => `tests/${name}.test.ts`);
const excluded = ['**/node_modules/**', '**/dist/**'];

export default defineConfig({
  // Packages are tested from their sources. No other condition: vitest passes them on to require(), too.
  ssr: { resolve: { conditions: ['@event-bus/source'] } },
  test: {
    reporters: ['default', './scripts/vitest-summary.ts'],
    env: { NODE_OPTIONS: '--conditions=@event-bus/source' },
    teardownTimeout: 30_000,
    coverage: {
      provider: 'v8',
      include: ['packages/*/src/**', 'services/*/src/**'],
      exclude: ['**/*.test.ts', 'packages/testkit/**'],
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // None minds what others leave in a module; a process for each would take more time than they do.
          isolate: false,
          sequence: { groupOrder: 0 },
          testTimeout: 60_000,
          include: [...unit, ...readers],
          exclude: [...excluded, '**/*.int.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: integration,
          exclude: [...excluded, ...readers],
          globalSetup: ['./packages/testkit/src/global-setup.ts'],
          // Real servers and real processes, on machines that may be slow and busy: only what hangs takes so long.
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
