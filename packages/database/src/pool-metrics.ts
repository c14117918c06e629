import { meter } from '@event-bus/telemetry';
import { attributeNames, metricNames } from '@event-bus/telemetry/names';
import type pg from 'pg';

/** Publishes how a pool is used, under this name, until the pool has ended. */
export function observePool(pool: pg.Pool, name: string): void {
  const instruments = meter();
  const ofPool = { [attributeNames.poolName]: name };
  const gauge = (metric: string, description: string) =>
    instruments.createObservableGauge(metric, { description });

  gauge(metricNames.poolConnections, 'Connections of a pool, by state').addCallback((result) => {
    if (pool.ended) return;
    result.observe(pool.idleCount, { ...ofPool, [attributeNames.connectionState]: 'idle' });
    result.observe(pool.totalCount - pool.idleCount, { ...ofPool, [attributeNames.connectionState]: 'used' });
  });
  gauge(metricNames.poolMax, 'Most connections that a pool opens').addCallback((result) => {
    if (!pool.ended) result.observe(pool.options.max, ofPool);
  });
  gauge(metricNames.poolWaiting, 'Who waits for a connection of a pool').addCallback((result) => {
    if (!pool.ended) result.observe(pool.waitingCount, ofPool);
  });
}
