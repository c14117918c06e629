import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { parseMetrics, type Sample } from './scrape.ts';

const root = join(import.meta.dirname, '..', '..');
export const alertsFile = join(root, 'infra', 'prometheus', 'alerts.yml');

/** An alert as it stands in the file. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook_url: string };
}

/** All alerts. */
export const alerts = (
  parse(readFileSync(alertsFile, 'utf8')) as { readonly groups: { readonly rules: Alert[] }[] }
).groups.flatMap(({ rules }) => rules);

/** What each service told at an instant; `null` if it did not answer. */
export type Scrape = Readonly<Record<string, string | null>>;

const minutes = 90;
const changeAt = 10;

/**
 * Has promtool judge what two scrapes tell: as if all had stood as in the first for ten minutes, and then as in the second
 * for eighty. What grew between the two goes on growing. Returns what promtool says if other alerts fire than these,
 * `name severity` each, and an empty text if just these do.
 */
export function judge(
  folder: string,
  {
    before,
    after,
    firing,
  }: { readonly before: Scrape; readonly after: Scrape; readonly firing: readonly string[] },
): string {
  const file = join(folder, 'alerts.test.yml');
  writeFileSync(
    file,
    stringify({
      rule_files: [alertsFile],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: seriesOf(before, after),
          promql_expr_test: [
            {
              expr: `group by (alertname, severity) (max_over_time(ALERTS{alertstate="firing"}[${minutes}m]))`,
              eval_time: `${minutes}m`,
              exp_samples: firing.map((alert) => {
                const [name, severity] = alert.split(' ');
                return { labels: `{alertname="${name}", severity="${severity}"}`, value: 1 };
              }),
            },
          ],
        },
      ],
    }),
  );
  const candidates = ['promtool', join(root, '.cache', 'prometheus', 'promtool')];
  for (const promtool of candidates) {
    const { status, stdout, stderr, error } = spawnSync(promtool, ['test', 'rules', file], {
      encoding: 'utf8',
    });
    if (error === undefined) return status === 0 ? '' : `${stdout}${stderr}`;
  }
  throw new Error('promtool cannot be run: `npm test` fetches it on Debian; elsewhere install Prometheus');
}

function seriesOf(before: Scrape, after: Scrape): { readonly series: string; readonly values: string }[] {
  return Object.keys({ ...before, ...after }).flatMap((service) => {
    const own = `job="event-bus",service="${service}",instance="${service}:8080"`;
    const [first, second] = [samplesOf(before[service]), samplesOf(after[service])];
    const isUp = (scrape: Scrape) => (service in scrape ? [Number(scrape[service] !== null)] : [undefined]);
    return [
      { series: `up{${own}}`, values: valuesOf(isUp(before)[0], isUp(after)[0], false) },
      ...[...new Map([...first, ...second])].map(([key, { name, labels, grows }]) => ({
        series: `${name}{${[labels, own].filter((part) => part !== '').join(',')}}`,
        values: valuesOf(first.get(key)?.value, second.get(key)?.value, grows),
      })),
    ];
  });
}

function samplesOf(text: string | null | undefined): Map<string, Sample> {
  return new Map(parseMetrics(text ?? '').map((sample) => [`${sample.name}{${sample.labels}}`, sample]));
}

function valuesOf(before: number | undefined, after: number | undefined, grows: boolean): string {
  if (grows && after !== undefined) return `${before ?? 0}+${after - (before ?? 0)}x${minutes}`;
  const first = before === undefined ? `_x${changeAt - 1}` : `${before}x${changeAt - 1}`;
  return after === undefined ? `${first} stale` : `${first} ${after}x${minutes - changeAt}`;
}
