// `npm run mutants`: takes one cure after the other out of a copy of the workspace, and runs the tests that must
// notice. See docs/mutants.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyEdits } from './mutants/apply-edits.ts';
import type { Mutation } from './mutants/mutation.ts';
import { mutations } from './mutants/mutations.ts';
import { runTests, type TestRun } from './mutants/run-tests.ts';
import { copyWorkspace } from './mutants/workspace-copy.ts';

const root = join(import.meta.dirname, '..');
const limitMs = 300_000;
const usage = `usage: npm run mutants -- [<name>...]\n${mutations.map(({ name }) => `  ${name}`).join('\n')}`;

const names = process.argv.slice(2);
const chosen = names.length === 0 ? mutations : mutations.filter(({ name }) => names.includes(name));
const unknown = names.find((name) => !mutations.some((mutation) => mutation.name === name));
if (unknown !== undefined) {
  console.error(`there is no mutation ${unknown}\n${usage}`);
  process.exit(2);
}

/** Changes the copy for the time of a run. */
async function tryMutation(
  workspace: string,
  { name, edits, tests, only }: Mutation,
): Promise<TestRun & { readonly seconds: number }> {
  const read = (file: string) => readFileSync(join(workspace, file), 'utf8');
  const changed = applyEdits(name, edits, read);
  const originals = new Map([...changed.keys()].map((file) => [file, read(file)]));
  for (const [file, text] of changed) writeFileSync(join(workspace, file), text);
  const began = performance.now();
  try {
    const run = await runTests(workspace, { files: tests, only, limitMs });
    return { ...run, seconds: (performance.now() - began) / 1_000 };
  } finally {
    for (const [file, text] of originals) writeFileSync(join(workspace, file), text);
  }
}

/** Tests that fail anyway prove nothing. */
async function assertGreen(workspace: string): Promise<boolean> {
  const groups = Map.groupBy(chosen, ({ only }) => only);
  for (const [only, group] of groups) {
    const files = [...new Set(group.flatMap(({ tests }) => tests))];
    const run = await runTests(workspace, { files, only, limitMs: 2 * limitMs });
    if (run.kind === 'passed') continue;
    console.error('the tests are not green without any mutation:');
    console.error(run.kind === 'failed' ? run.test : run.why);
    return false;
  }
  return true;
}

function toRow({ name, harm }: Mutation, run: TestRun & { readonly seconds: number }): string {
  const verdict = { failed: 'noticed', passed: 'SURVIVED', unclear: 'UNCLEAR' }[run.kind];
  const by = run.kind === 'failed' ? run.test : run.kind === 'unclear' ? run.why.split('\n')[0] : '';
  return `| ${name} | ${harm} | ${verdict} | ${(by ?? '').replaceAll('|', '\\|')} | ${run.seconds.toFixed(0)} |`;
}

const copy = copyWorkspace(root);
process.on('exit', () => copy.remove());
if (await assertGreen(copy.path)) {
  console.log('| mutation | what is wrong then | verdict | noticed first by | s |\n|---|---|---|---|--:|');
  const missed: string[] = [];
  for (const mutation of chosen) {
    const run = await tryMutation(copy.path, mutation);
    console.log(toRow(mutation, run));
    if (run.kind !== 'failed') missed.push(mutation.name);
  }
  if (missed.length > 0) {
    console.error(`\n${missed.length} of ${chosen.length} were not noticed: ${missed.join(', ')}`);
    process.exitCode = 1;
  }
} else {
  process.exitCode = 1;
}
