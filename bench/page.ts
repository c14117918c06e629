// `npm run performance`: writes the last results of the bench into docs/performance.md, as tables and charts.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { latestResults, readResults } from './harness/results.ts';
import { toSvg } from './page/chart.ts';
import { chartsOf } from './page/charts.ts';
import { chartsFolder, fillPage } from './page/fill-page.ts';

const [file = latestResults] = process.argv.slice(2);
const docs = join(import.meta.dirname, '..', 'docs');
const page = join(docs, 'performance.md');
const results = await readResults(file);
if (results === undefined) {
  console.error(`there are no results in ${file}: \`npm run bench\` measures them`);
  process.exit(1);
}
await mkdir(join(docs, chartsFolder), { recursive: true });
for (const answer of results.answers) {
  for (const [name, chart] of chartsOf(answer)) await writeFile(join(docs, chartsFolder, name), toSvg(chart));
}
await writeFile(page, fillPage(await readFile(page, 'utf8'), results));
