import { eventually, type ServiceProcess, startProxy } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createRunnerBench } from './testing/runner-bench.ts';

let bench: Awaited<ReturnType<typeof createRunnerBench>>;
beforeEach(async () => {
  bench = await createRunnerBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

async function readinessOf(runner: ServiceProcess): Promise<unknown> {
  await runner.waitFor(/"msg":"listening"/);
  const port = /"port":(\d+)/.exec(runner.output())?.[1];
  return (await fetch(`http://127.0.0.1:${port}/readyz`)).json();
}

/** `/readyz` says what is expected, sooner or later. */
const untilReadiness = (runner: ServiceProcess, expected: object) =>
  eventually(async () => {
    expect(await readinessOf(runner)).toMatchObject(expected);
    return true;
  });

test.each([
  ['postgres', 'DATABASE_URL'],
  ['bus-postgres', 'BUS_DATABASE_URL'],
])('%s is waited for, at the start as well as later, and named by /readyz', async (name, variable) => {
  const proxy = await startProxy(Number(new URL(bench.database.url).port));
  const url = new URL(bench.database.url);
  url.port = String(proxy.port);
  proxy.refuse();
  const { group, path } = bench.consumer();
  const runner = await bench.spawn(path, {
    DATABASE_URL: bench.database.url,
    BUS_DATABASE_URL: bench.database.url,
    [variable]: url.href,
  });

  await untilReadiness(runner, { status: 'starting', away: [name] });
  await proxy.accept();
  await untilReadiness(runner, { status: 'ready', away: [] });
  await bench.publish(['user-1']);
  await eventually(async () => (await bench.ledger(group)).length === 1);
  proxy.refuse();
  proxy.cut();
  await untilReadiness(runner, { status: 'not ready', away: [name] });
  await proxy.accept();
  await untilReadiness(runner, { status: 'ready', away: [] });

  expect(runner.output()).toContain(`"dependency":"${name}"`);
  await proxy.close();
});
