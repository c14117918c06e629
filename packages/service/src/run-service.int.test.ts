import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { eventually, freePort } from '@event-bus/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { startFixture } from './testing/start-fixture.ts';

async function fixture(...[env, args]: Parameters<typeof startFixture>) {
  const service = await startFixture(env, args);
  onTestFinished(() => service.kill('SIGKILL'));
  return service;
}

/** Listens on all addresses, as the health server does. */
async function listen(port = 0): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((socket) => socket.on('error', () => socket.destroy()).end());
  server.listen(port);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  return { server, port: address.port };
}

const ended = (code: number) => ({ code, signal: null });

/** What a service answers when it is ready. A dependency has two seconds to answer, which a busy machine may take. */
const ready = (service: Awaited<ReturnType<typeof fixture>>) =>
  eventually(async () => {
    const answer = await service.get('/readyz');
    return answer.status === 200 && answer;
  });

test('an unusable configuration is told whole, without a stack, with exit status 78', async () => {
  const service = await fixture({ PORT: 'http', LOG_LEVEL: 'loud', SHUTDOWN_DRAIN: '20' }, [
    '--with-database',
  ]);

  expect(await service.exited).toEqual(ended(78));
  const output = service.output();
  for (const variable of ['PORT', 'LOG_LEVEL', 'SHUTDOWN_DRAIN', 'DATABASE_URL'])
    expect(output).toContain(`${variable}: `);
  expect(output).toMatch(/^fixture: The configuration has 4 problems/);
  expect(output).not.toMatch(/^\s+at /m);
});

test('a running service is alive and ready, and serves its metrics', async () => {
  const { port } = await listen();
  const service = await fixture({ DEPENDENCY_PORT: String(port) });
  await service.logged('started');

  expect(await service.get('/healthz')).toMatchObject({ status: 200, text: '{"status":"alive"}\n' });
  expect((await ready(service)).json()).toEqual({
    status: 'ready',
    dependencies: { redis: 'ok' },
    away: [],
  });
  const metrics = await service.get('/metrics');
  expect(metrics.status).toBe(200);
  expect(metrics.text).toMatch(/target_info\{.*service_name="fixture"/);
  expect((await service.get('/else')).status).toBe(404);
});

test('a dependency that goes away makes the service not ready, but leaves it alive', async () => {
  const dependency = await listen();
  const service = await fixture({ DEPENDENCY_PORT: String(dependency.port) });
  await service.logged('started');

  dependency.server.close();
  await once(dependency.server, 'close');

  const away = await service.get('/readyz');
  expect(away.status).toBe(503);
  expect(away.json()).toMatchObject({ status: 'not ready', away: ['redis'] });
  expect(away.text).toContain('ECONNREFUSED');
  expect((await service.get('/healthz')).status).toBe(200);

  await listen(dependency.port);
  await ready(service);
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s drains, closes in reverse order and exits with 0',
  async (signal) => {
    const service = await fixture();
    await service.logged('started');

    service.kill(signal);

    expect(await service.exited).toEqual(ended(0));
    expect(service.messages()).toEqual([
      'listening',
      'started',
      'stopping',
      'closed second resource',
      'closed first resource',
      'stopped',
    ]);
  },
);

test('a draining service is alive and not ready', async () => {
  const service = await fixture({ COMPONENTS: 'slow', SHUTDOWN_DRAIN: '1h' });
  await service.logged('started');

  service.kill('SIGTERM');
  await service.logged('stopping');

  const readiness = await service.get('/readyz');
  expect(readiness.status).toBe(503);
  expect(readiness.json()).toMatchObject({ status: 'stopping' });
  expect((await service.get('/healthz')).status).toBe(200);
});

test.each(['slow', 'passes_reason_on'])(
  'what does not drain in time is aborted and named, and exits with 0: %s',
  async (name) => {
    const service = await fixture({ COMPONENTS: `steady,${name}`, SHUTDOWN_DRAIN: '50ms' });
    await service.logged('started');

    service.kill('SIGTERM');

    expect(await service.exited).toEqual(ended(0));
    const aborting = service.log().find(({ msg }) => msg === 'drain took too long, aborting');
    expect(aborting).toMatchObject({ unfinished: [name], drainMs: 50 });
    expect(service.messages()).toContain('closed first resource');
  },
);

test('what does not even abort is named and given up, with exit status 1', async () => {
  const service = await fixture({ COMPONENTS: 'steady,stuck', SHUTDOWN_DRAIN: '50ms' });
  await service.logged('started');

  service.kill('SIGTERM');

  expect(await service.exited).toEqual(ended(1));
  expect(service.log().at(-1)).toMatchObject({ msg: 'stop took too long, exiting', unfinished: ['stuck'] });
});

test('a second signal exits at once with 1', async () => {
  const service = await fixture({ COMPONENTS: 'stuck', SHUTDOWN_DRAIN: '1h' });
  await service.logged('started');

  service.kill('SIGTERM');
  await service.logged('stopping');
  service.kill('SIGTERM');

  expect(await service.exited).toEqual(ended(1));
  expect(service.log().at(-1)).toMatchObject({
    msg: 'second signal, exiting at once',
    unfinished: ['stuck'],
  });
});

test.each([
  ['crashes', 'the component broke'],
  ['ends', 'ended although it was not asked to'],
  ['crashes_at_stop', 'the component broke'],
])(
  'a component that breaks is named, the rest is drained and closed, exit status 1: %s',
  async (name, message) => {
    const service = await fixture({ COMPONENTS: `steady,${name}` });
    if (name === 'crashes_at_stop') {
      await service.logged('started');
      service.kill('SIGTERM');
    }

    expect(await service.exited).toEqual(ended(1));
    const crash = service.log().find(({ msg }) => msg === 'component crashed');
    expect(crash).toMatchObject({
      component: name,
      err: { message: expect.stringContaining(message) as unknown },
    });
    expect(service.messages().slice(-3)).toEqual([
      'closed second resource',
      'closed first resource',
      'stopped',
    ]);
  },
);

test('a service in which a component crashed is not alive while the rest drains', async () => {
  const service = await fixture({ COMPONENTS: 'slow,crashes', SHUTDOWN_DRAIN: '1h' });
  await service.logged('stopping');

  const health = await service.get('/healthz');

  expect(health.status).toBe(503);
  expect(health.json()).toEqual({ status: 'crashed', component: 'crashes' });
  expect((await service.get('/readyz')).status).toBe(503);
});

test.each([
  ['throws_astray', 'uncaught exception, exiting', 'thrown astray'],
  ['rejects_astray', 'unhandled rejection, exiting', 'rejected astray'],
])('an error that nobody catches is logged and ends the process with 1: %s', async (name, msg, message) => {
  const service = await fixture({ COMPONENTS: name });

  expect(await service.exited).toEqual(ended(1));
  expect(service.log().at(-1)).toMatchObject({ msg, err: { message } });
});

test('a setup that fails says why, undoes what it had opened and exits with 1', async () => {
  const service = await fixture({ SETUP: 'fails' });

  expect(await service.exited).toEqual(ended(1));
  expect(service.messages()).toEqual([
    'listening',
    'cannot start: the schema is too old; run bus migrate',
    'stopping',
    'closed second resource',
    'closed first resource',
    'stopped',
  ]);
});

test('a configuration fault that only setup can find ends the process like any other', async () => {
  const service = await fixture({ SETUP: 'faulty_config' });

  expect(await service.exited).toEqual(ended(78));
  expect(service.messages()).toContain('closed first resource');
  expect(service.output()).toContain('CONSUMERS: names no package');
  expect(service.output()).not.toMatch(/^\s+at /m);
});

test('a resource that cannot be closed does not keep the rest open, and the exit status is 1', async () => {
  const service = await fixture({ SETUP: 'closing_fails' });
  await service.logged('started');

  service.kill('SIGTERM');

  expect(await service.exited).toEqual(ended(1));
  expect(service.messages().slice(-4)).toEqual([
    'closed second resource',
    'closed first resource',
    'not all could be closed',
    'stopped',
  ]);
});

test('a port that is taken is named, with exit status 1', async () => {
  const { port } = await listen();
  const service = await fixture({ PORT: String(port) });

  expect(await service.exited).toEqual(ended(1));
  expect(service.output()).toContain(`Cannot serve health and metrics on port ${port}`);
});

test.each([
  ['in its setup', { SETUP: 'waits' }, 'postgres'],
  ['before its components run', {}, 'redis'],
])('a service waits %s for a dependency that comes later, and says so', async (_, env, dependency) => {
  const port = await freePort();
  const service = await fixture({ ...env, DEPENDENCY_PORT: String(port) });
  await service.logged('waiting for a dependency');

  expect((await service.get('/healthz')).status).toBe(200);
  const readiness = await service.get('/readyz');
  expect(readiness.status).toBe(503);
  expect(readiness.json()).toMatchObject({ status: 'starting', away: [dependency] });
  const waiting = service.log().find(({ msg }) => msg === 'waiting for a dependency');
  expect(waiting).toMatchObject({
    dependency,
    attempt: 1,
    reason: expect.stringContaining('ECONNREFUSED') as unknown,
  });

  await listen(port);
  await service.logged('started');
  expect(service.log().find(({ msg }) => msg === 'dependency reached')).toMatchObject({ dependency });
  await ready(service);
});

test('SIGTERM while waiting for a dependency that refuses stops with 0', async () => {
  const service = await fixture({ DEPENDENCY_PORT: String(await freePort()), SHUTDOWN_DRAIN: '1h' });
  await service.logged('waiting for a dependency');

  service.kill('SIGTERM');

  expect(await service.exited).toEqual(ended(0));
  expect(service.messages()).toContain('closed first resource');
});

test('SIGTERM while waiting for a dependency that never answers stops with 0', async () => {
  const service = await fixture({ SILENT_DEPENDENCY: 'postgres', SHUTDOWN_DRAIN: '1h' });
  await service.logged('listening');

  service.kill('SIGTERM');

  expect(await service.exited).toEqual(ended(0));
  expect(service.messages()).toContain('start abandoned');
});

test('a service told to stop as soon as it listens or has started ends cleanly, time after time', async () => {
  const moments = ['listening', 'started'] as const;
  for (let round = 0; round < 8; round += 1) {
    const service = await fixture({ COMPONENTS: 'steady,slow', SHUTDOWN_DRAIN: '20ms' });
    await service.logged(moments[round % moments.length] ?? 'started');

    service.kill('SIGTERM');

    expect(await service.exited).toEqual(ended(0));
    expect(service.messages().at(-1)).toBe('stopped');
  }
});
