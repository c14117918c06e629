import { group } from './group.ts';
import { overview } from './overview.ts';
import { toGrafana } from './panel.ts';
import { publisher } from './publisher.ts';
import { redisAndRetention } from './redis-and-retention.ts';

/** The dashboards as Grafana reads them, by the names of their files. */
export const dashboards: ReadonlyMap<string, object> = new Map(
  Object.entries({ overview, group, publisher, 'redis-and-retention': redisAndRetention }).map(
    ([name, dashboard]) => [`${name}.json`, toGrafana(dashboard)],
  ),
);
