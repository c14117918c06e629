import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { expect, test } from 'vitest';
import { ScrapeReader } from './scrape-reader.ts';

test('a gauge tells only what it observes, and a counter all that was ever counted', async () => {
  const reader = new ScrapeReader();
  const meter = new MeterProvider({ readers: [reader] }).getMeter('test');
  let groups = ['mail', 'sms'];
  meter.createObservableGauge('lag').addCallback((result) => {
    for (const group of groups) result.observe(7, { group });
  });
  const handled = meter.createCounter('handled');
  const scrape = async () => {
    const { resourceMetrics } = await reader.collect();
    const text = new PrometheusSerializer().serialize(resourceMetrics);
    return [...text.matchAll(/^(lag|handled_total)\{group="(\w+)".*\} (\d+)$/gm)].map(([, ...found]) =>
      found.join(' '),
    );
  };

  handled.add(1, { group: 'sms' });
  expect(await scrape()).toEqual(['lag mail 7', 'lag sms 7', 'handled_total sms 1']);
  groups = ['mail'];
  handled.add(1, { group: 'mail' });
  expect((await scrape()).toSorted()).toEqual(['handled_total mail 1', 'handled_total sms 1', 'lag mail 7']);
  expect((await scrape()).toSorted()).toEqual(['handled_total mail 1', 'handled_total sms 1', 'lag mail 7']);
});
