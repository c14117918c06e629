import { existsSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from './eventually.ts';
import { type ServiceOptions, ServiceOutputError, spawnService } from './processes.ts';
import { isAlive } from './testing/is-alive.ts';

async function talker(options: Partial<ServiceOptions> = {}) {
  const service = await spawnService({ entry: new URL('./testing/talker.ts', import.meta.url), ...options });
  onTestFinished(async () => {
    service.kill();
    await service.exited;
  });
  return service;
}

test('gives a program the environment that was named, PATH, the compile cache, and nothing else', async () => {
  const service = await talker({ env: { GREETING: 'hello' }, args: ['--one', '--two'] });

  await service.waitFor(/arguments: --one --two/);

  expect(service.output()).toMatch(/environment: GREETING (NODE_COMPILE_CACHE )?PATH\n/);
});

test('asks a program to end, and reports how it did', async () => {
  const service = await talker();
  await service.waitFor(/arguments/);

  expect(await service.stop()).toEqual({ code: 3, signal: null });

  expect(service.output()).toContain('asked to end');
});

test('kills a program that does not end when it is asked to', async () => {
  const service = await talker({ args: ['--stubborn'] });
  await service.waitFor(/arguments/);

  expect(await service.stop({ patienceMs: 100 })).toEqual({ code: null, signal: 'SIGKILL' });
});

test('says what a program printed that ended before it printed what was waited for', async () => {
  const service = await talker({ name: 'talker' });
  await service.waitFor(/arguments/);
  const waiting = service.waitFor(/never printed/);
  service.kill();

  await expect(waiting).rejects.toThrow(ServiceOutputError);
  await expect(waiting).rejects.toThrow(/talker ended \(SIGKILL\)[\s\S]*environment: .*PATH/);
});

test('gives up waiting when the time is up', async () => {
  const service = await talker();

  await expect(service.waitFor(() => false, { timeoutMs: 50 })).rejects.toThrow(/ran for 50 ms/);
});

test('servers, programs and folders are gone soon after the process that made them was killed', async () => {
  const parent = await talker({ entry: new URL('./testing/servers.ts', import.meta.url) });
  await parent.waitFor(/"pids"/);
  const made = JSON.parse(parent.output()) as { pids: number[]; folders: string[] };
  expect(made.pids.filter(isAlive)).toHaveLength(3);

  parent.kill('SIGKILL');

  await eventually(() => !made.pids.some(isAlive) && !made.folders.some((folder) => existsSync(folder)));
});
