/** One line of a graph: what to ask Prometheus, and what to call it. */
export interface Query {
  readonly expr: string;
  /** `{{label}}` stands for the label's value. */
  readonly legend: string;
}

/** A graph, or a number with the colour of its threshold. */
export interface Panel {
  readonly title: string;
  readonly description: string;
  readonly kind: 'timeseries' | 'stat';
  /** A unit as Grafana names it: `s`, `short`, `percentunit`, `bytes`, `ops`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** From here on it is red. */
  readonly alarmAt?: number;
}

/** A dashboard, of which each row has panels of the same size. */
export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  /** Variables by name: the label whose values may be chosen, and the metric that has it. */
  readonly variables?: Readonly<Record<string, { readonly label: string; readonly metric: string }>>;
  readonly rows: readonly (readonly Panel[])[];
}

const columns = 24;

/** A dashboard as Grafana reads it. */
export function toGrafana({ uid, title, variables = {}, rows }: Dashboard): object {
  let id = 0;
  return {
    uid,
    title,
    tags: ['event-bus'],
    schemaVersion: 39,
    editable: false,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: {
      list: Object.entries(variables).map(([name, { label, metric }]) => ({
        name,
        type: 'query',
        datasource,
        query: { query: `label_values(${metric}, ${label})`, refId: name },
        refresh: 2,
        sort: 1,
        includeAll: false,
        multi: false,
      })),
    },
    links: [
      { type: 'dashboards', title: 'Event bus', tags: ['event-bus'], asDropdown: true, keepTime: true },
    ],
    panels: rows.flatMap((panels, row) =>
      panels.map((panel, column) => {
        const w = Math.floor(columns / panels.length);
        id += 1;
        return toPanel(panel, { id, gridPos: { x: column * w, y: row * 8, w, h: 8 } });
      }),
    ),
  };
}

const datasource = { type: 'prometheus', uid: 'prometheus' };

function toPanel({ title, description, kind, unit, queries, alarmAt }: Panel, place: object): object {
  const steps = [
    { color: 'green', value: null },
    ...(alarmAt === undefined ? [] : [{ color: 'red', value: alarmAt }]),
  ];
  const custom = {
    lineWidth: 1,
    fillOpacity: 8,
    ...(alarmAt !== undefined && { thresholdsStyle: { mode: 'line' } }),
  };
  return {
    ...place,
    type: kind,
    title,
    description,
    datasource,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        thresholds: { mode: 'absolute', steps },
        ...(kind === 'timeseries' && { custom }),
      },
      overrides: [],
    },
    options:
      kind === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'background', graphMode: 'area' }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource,
      expr,
      legendFormat: legend,
    })),
  };
}
