import {
  createTestDatabase,
  eventually,
  freePort,
  type ServiceProcess,
  startProxy,
} from '@event-bus/testkit';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { createStage, type Stage } from './testing.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});

afterEach(() => stage.close());

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(child: ServiceProcess, path: string): Promise<Answer> {
  await child.waitFor(/"msg":"listening"/);
  const port = /"port":(\d+)/.exec(child.output())?.[1];
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

const through = (url: string, port: number) => {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
};

test('faults of the configuration are told all at once, by name, with status 78 and no stack trace', async () => {
  const child = await stage.spawn({
    DATABASE_URL: 'mysql://somewhere',
    REDIS_URL: '',
    OUTBOX_SOURCE: 'Not A Name',
    PUBLISH_BATCH_SIZE: '0',
    PUBLISH_BATCH_BYTES: '1',
    PUBLISH_LINGER: '5',
    LEADER_SESSION_TIMEOUT: '10ms',
    MAX_ENTRY_BYTES: 'many',
  });

  expect(await child.exited).toEqual({ code: 78, signal: null });
  for (const name of [
    'DATABASE_URL',
    'REDIS_URL',
    'OUTBOX_SOURCE',
    'PUBLISH_BATCH_SIZE',
    'PUBLISH_BATCH_BYTES',
    'PUBLISH_LINGER',
    'LEADER_SESSION_TIMEOUT',
    'MAX_ENTRY_BYTES',
  ]) {
    expect(child.output()).toContain(name);
  }
  expect(child.output()).not.toMatch(/^\s+at /m);
});

describe('a dependency that is away at the start', () => {
  test.each([
    ['postgres', 'DATABASE_URL'],
    ['bus-postgres', 'BUS_DATABASE_URL'],
    ['direct-postgres', 'DATABASE_DIRECT_URL'],
    ['redis', 'REDIS_URL'],
  ])('is waited for and named, in the log and by /readyz: %s', async (name, variable) => {
    const url = variable === 'REDIS_URL' ? stage.redis.url : stage.database.url;
    const proxy = await startProxy(Number(new URL(url).port));
    proxy.refuse();
    const child = await stage.spawn({
      DATABASE_DIRECT_URL: stage.database.url,
      BUS_DATABASE_URL: stage.database.url,
      [variable]: through(url, proxy.port),
    });
    await child.waitFor(/waiting for a dependency/);
    const ready = await eventually(async () => {
      const answer = await ask(child, '/readyz');
      return answer.text.includes(`"${name}"`) && answer;
    });
    expect(ready.status).toBe(503);
    expect(JSON.parse(ready.text)).toMatchObject({ status: 'starting', away: [name] });
    expect((await ask(child, '/healthz')).status).toBe(200);
    await stage.append(3);
    await proxy.accept();

    await eventually(async () => (await stage.compare()).unpublished === 0);
    await eventually(async () => (await ask(child, '/readyz')).status === 200);
    await proxy.close();
  });

  test('does not keep the process from stopping', async () => {
    const child = await stage.spawn({ DATABASE_URL: `postgres://nobody@127.0.0.1:${await freePort()}/none` });
    await child.waitFor(/waiting for a dependency/);

    expect(await child.stop()).toEqual({ code: 0, signal: null });
  });
});

test('a database without the schema ends the process with what to do', async () => {
  const empty = await createTestDatabase(inject('postgresUrl'));
  const child = await stage.spawn({ DATABASE_URL: empty.url });

  expect(await child.exited).toEqual({ code: 1, signal: null });
  expect(child.output()).toContain('bus migrate');
  await empty.drop();
});

test('a direct connection to the database of another outbox ends the process with the variable, status 78 and no stack trace', async () => {
  const other = await createStage(inject('postgresUrl'));
  const child = await stage.spawn({ DATABASE_DIRECT_URL: other.database.url });

  expect(await child.exited).toEqual({ code: 78, signal: null });
  expect(child.output()).toContain(
    `DATABASE_DIRECT_URL: leads to the database ${other.database.name}, and DATABASE_URL to ${stage.database.name}`,
  );
  expect(child.output()).not.toMatch(/^\s+at /m);
  await other.close();
});

test('an outbox that calls itself by another name ends the process with that name', async () => {
  await stage.database.db.updateTable('outbox_cursor').set({ source: 'billing' }).execute();
  const child = await stage.spawn();

  expect(await child.exited).toEqual({ code: 1, signal: null });
  expect(child.output()).toContain('OUTBOX_SOURCE=billing');
});

test('health, readiness and metrics are served, and readiness names what is away later', async () => {
  const child = await stage.spawn();
  await child.waitFor(/"msg":"started"/);
  await stage.append(5);
  await eventually(async () => (await stage.compare()).unpublished === 0);

  expect(await ask(child, '/healthz')).toMatchObject({ status: 200 });
  await eventually(async () => {
    expect(JSON.parse((await ask(child, '/readyz')).text)).toMatchObject({ status: 'ready', away: [] });
    return true;
  });
  // It counts what it has recorded when it hears that it has.
  await eventually(async () => {
    const metrics = (await ask(child, '/metrics')).text;
    expect(metrics).toMatch(/^bus_publisher_active(_ratio)?\{.*\} 1$/m);
    expect(metrics).toMatch(/^messaging_client_sent_messages_total\{.*events:user.*\} 5$/m);
    return true;
  });
  await stage.redis.kill();
  await eventually(async () => {
    const answer = await ask(child, '/readyz');
    return answer.status === 503 && answer.text.includes('"away":["redis"]');
  });
  await stage.redis.restart();
  await eventually(async () => (await ask(child, '/readyz')).status === 200);
});

describe('a database that a leader needs besides the outbox and that is away later', () => {
  test.each([
    ['bus-postgres', 'BUS_DATABASE_URL'],
    ['direct-postgres', 'DATABASE_DIRECT_URL'],
  ])('is named by /readyz, and by warnings while nobody can lead without it: %s', async (name, variable) => {
    const proxy = await startProxy(Number(new URL(stage.database.url).port));
    const child = await stage.spawn({ [variable]: through(stage.database.url, proxy.port) });
    await stage.leader();
    proxy.refuse();
    proxy.cut();
    await eventually(async () => {
      const answer = await ask(child, '/readyz');
      return answer.status === 503 && answer.text.includes(`"away":["${name}"]`);
    });
    await stage.endLead();
    await child.waitFor(/"level":"warn".*ECONNREFUSED.*"msg":"cannot lead: /);
    await stage.append(3);
    await proxy.accept();

    await eventually(async () => (await stage.compare()).unpublished === 0);
    await eventually(async () => (await ask(child, '/readyz')).status === 200);
    await proxy.close();
  });
});
