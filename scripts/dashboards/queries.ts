import type { Panel, Query } from './panel.ts';

const group = 'messaging_consumer_group_name';
const stream = 'messaging_destination_name';

/** The names of labels in legends. */
export const labels = {
  group: `{{${group}}}`,
  stream: `{{${stream}}}`,
  both: `{{${group}}} on {{${stream}}}`,
};

/** A quantile of a histogram, over the labels that stay. */
export function quantile(q: number, histogram: string, { by = '', where = '' } = {}): string {
  const kept = ['le', ...(by === '' ? [] : [by])].join(', ');
  return `histogram_quantile(${q}, sum by (${kept}) (rate(${histogram}_bucket${where}[$__rate_interval])))`;
}

/** Half, and all but one in twenty, of what a histogram holds. */
export function quantiles(histogram: string, where = ''): Query[] {
  return [
    { expr: quantile(0.5, histogram, { where }), legend: 'half within' },
    { expr: quantile(0.95, histogram, { where }), legend: '95 % within' },
  ];
}

/** How much of something there is per second. */
export function perSecond(counter: string, { by, where = '' }: { by: string; where?: string }): string {
  return `sum by (${by}) (rate(${counter}${where}[$__rate_interval]))`;
}

/** A graph of lines. */
export function graph(
  title: string,
  description: string,
  queries: readonly Query[],
  more: { readonly unit?: string; readonly alarmAt?: number } = {},
): Panel {
  return { title, description, kind: 'timeseries', unit: 'short', queries, ...more };
}

/** A number that is red from some value on. */
export function stat(
  title: string,
  description: string,
  expr: string,
  more: { readonly unit?: string; readonly alarmAt?: number } = {},
): Panel {
  return { title, description, kind: 'stat', unit: 'short', queries: [{ expr, legend: '' }], ...more };
}

export { group, stream };
