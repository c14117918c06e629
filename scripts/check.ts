// `npm run check`: what can be said about the sources without running them. All of it runs, also after a failure,
// and every failure names the command that mends it or shows it alone.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly advice: string;
}

const CHECKS: readonly Check[] = [
  { name: 'format and lint', command: ['biome', 'ci', '.'], advice: 'npm run format' },
  {
    name: 'lint with types',
    command: [
      'oxlint',
      '--type-aware',
      '--deny-warnings',
      'packages',
      'services',
      'scripts',
      'tests',
      'bench',
      'demo',
    ],
    advice: 'npx oxlint --type-aware <file>',
  },
  {
    name: 'types',
    command: ['tsc', '--noEmit', '-p', 'tsconfig.json'],
    advice: 'npx tsc --noEmit -p tsconfig.json',
  },
  { name: 'unused files, exports and dependencies', command: ['knip'], advice: 'npx knip' },
  {
    name: 'contracts stay compatible',
    command: ['node', '--conditions=@event-bus/source', 'packages/contracts/src/schemas/check.ts'],
    advice: 'npm run contracts',
  },
  {
    name: 'workflows',
    command: ['node', 'scripts/check-workflows.mjs'],
    advice: 'node scripts/check-workflows.mjs',
  },
  {
    name: 'alerts',
    command: ['promtool', 'test', 'rules', 'infra/prometheus/alerts.test.yml'],
    advice: 'promtool test rules infra/prometheus/alerts.test.yml',
  },
  {
    name: 'configuration of Prometheus',
    command: ['promtool', 'check', 'config', 'infra/prometheus/prometheus.yml'],
    advice: 'promtool check config infra/prometheus/prometheus.yml',
  },
  {
    name: 'dependency rules',
    command: ['vitest', 'run', '--project', 'unit', '--reporter=dot', 'tests/dependency-rules.test.ts'],
    advice: 'npx vitest run tests/dependency-rules.test.ts',
  },
];

const failed = CHECKS.filter(({ name, command: [file, ...args], advice }) => {
  const began = performance.now();
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    cwd: join(import.meta.dirname, '..'),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  if (status === 0) return false;
  console.log(`${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`.trimEnd());
  console.log(`       mend or see it with: ${advice}`);
  return true;
});

if (failed.length > 0) {
  console.log(
    `\n${failed.length} of ${CHECKS.length} checks failed: ${failed.map(({ name }) => name).join(', ')}`,
  );
  process.exitCode = 1;
}
