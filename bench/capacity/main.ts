// `npm run capacity`: computes what loads need from what the benchmarks measured, and writes it into docs/scaling.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { readMeasured } from './measured.ts';
import { fillIn, page } from './page.ts';
import { tablesOf } from './tables.ts';

const tables = tablesOf(readMeasured());
writeFileSync(page, fillIn(readFileSync(page, 'utf8'), tables));
console.log([...tables.values()].join('\n\n'));
