// `npm run dashboards`: writes the dashboards of infra/grafana from their description in scripts/dashboards.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboards } from './dashboards/index.ts';

const folder = join(import.meta.dirname, '..', 'infra', 'grafana', 'dashboards');
mkdirSync(folder, { recursive: true });
for (const [name, dashboard] of dashboards) {
  writeFileSync(join(folder, name), `${JSON.stringify(dashboard, null, 2)}\n`);
}
