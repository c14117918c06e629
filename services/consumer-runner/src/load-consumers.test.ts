import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { loadConsumers } from './load-consumers.ts';

const definition = (group: string) => `export default { group: '${group}', handlings: new Map() };`;

describe('loading consumers', () => {
  let root: string;
  const from = () => ({ workspace: join(root, 'services', 'orders'), cwd: root });
  const groupsOf = async (...names: string[]) =>
    (await loadConsumers(names, from())).map(({ group }) => group);

  function addService(folder: string, name: string, source: string): void {
    const path = join(root, folder);
    mkdirSync(path, { recursive: true });
    writeFileSync(
      join(path, 'package.json'),
      JSON.stringify({ name, type: 'module', exports: './consumer.js' }),
    );
    writeFileSync(join(path, 'consumer.js'), source);
  }

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'consumers-'));
    writeFileSync(join(root, 'pnpm-workspace.yaml'), '');
    addService('services/orders', '@shop/orders', definition('orders'));
    addService('services/invoices', '@shop/invoices', definition('invoices'));
    addService('services/invoices-again', '@shop/invoices-again', definition('invoices'));
    addService('services/library', '@shop/library', 'export const nothing = 1;');
    addService('services/broken', '@shop/broken', "throw new Error('no such table');");
    addService(
      'services/unconfigured',
      '@shop/unconfigured',
      "throw Object.assign(new Error(), { code: 'config_invalid', faults: [{ variable: 'SHOP_URL', problem: 'is missing' }] });",
    );
    addService('elsewhere/audit', '@shop/audit', definition('audit'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  it('finds packages by name, and folders by path', async () => {
    expect(await groupsOf('@shop/orders', '@shop/invoices', 'elsewhere/audit')).toEqual([
      'orders',
      'invoices',
      'audit',
    ]);
  });

  it('loads a consumer once that is named twice', async () => {
    expect(await groupsOf('@shop/orders', '@shop/orders')).toEqual(['orders']);
  });

  it('suggests the name that was meant', async () => {
    await expect(groupsOf('@shop/ordesr')).rejects.toThrow('did you mean @shop/orders?');
    await expect(groupsOf('invoices')).rejects.toThrow('did you mean @shop/invoices?');
  });

  it('lists the names when none is near', async () => {
    await expect(groupsOf('shipping-costs-calculator')).rejects.toThrow(
      'the packages under services/ are @shop/broken, @shop/invoices, @shop/invoices-again, @shop/library, @shop/orders, @shop/unconfigured',
    );
  });

  it('names a package.json that cannot be read to who wants its consumer, and troubles nobody else with it', async () => {
    const path = join(root, 'services', 'mistyped');
    mkdirSync(path);
    const file = join(path, 'package.json');
    writeFileSync(file, '{ "name": "@shop/mistyped" "type": "module" }');
    onTestFinished(() => rmSync(path, { recursive: true }));

    expect(await groupsOf('@shop/orders')).toEqual(['orders']);
    await expect(groupsOf('services/mistyped')).rejects.toMatchObject({
      code: 'config_invalid',
      faults: [
        {
          variable: 'CONSUMERS',
          problem: expect.stringContaining(`${file} cannot be read: SyntaxError: Expected ','`) as unknown,
        },
      ],
    });
    await expect(groupsOf('@shop/mistyped')).rejects.toThrow(
      new RegExp(`no package and no folder @shop/mistyped; .*; ${file} cannot be read`),
    );
  });

  it('names everything that is wrong at once', async () => {
    const faults = await loadConsumers(
      ['@shop/library', '@shop/broken', '@shop/invoices', '@shop/invoices-again'],
      from(),
    ).catch((error: unknown) =>
      (error as { faults: { problem: string }[] }).faults.map(({ problem }) => problem),
    );

    expect(faults).toEqual([
      '@shop/library has no consumer: its default export must be the result of defineConsumer(...)',
      '@shop/broken fails to load: no such table',
      '@shop/invoices and @shop/invoices-again both define the group invoices; a group is one consumer',
    ]);
  });

  it('passes on what a consumer finds wrong with variables of its own', async () => {
    await expect(groupsOf('@shop/unconfigured', '@shop/broken')).rejects.toMatchObject({
      faults: [
        { variable: 'SHOP_URL', problem: 'is missing' },
        { variable: 'CONSUMERS', problem: '@shop/broken fails to load: no such table' },
      ],
    });
  });

  it('obeys the conditions of the process', async () => {
    const path = join(root, 'services', 'typed');
    mkdirSync(join(path, 'dist'), { recursive: true });
    const exports = { '@event-bus/source': './source.js', default: './dist/consumer.js' };
    writeFileSync(
      join(path, 'package.json'),
      JSON.stringify({ name: '@shop/typed', type: 'module', exports }),
    );
    writeFileSync(join(path, 'source.js'), definition('from-source'));
    writeFileSync(join(path, 'dist', 'consumer.js'), definition('built'));

    const script = `
      const { loadConsumers } = await import(${JSON.stringify(join(import.meta.dirname, 'load-consumers.ts'))});
      const [consumer] = await loadConsumers(['@shop/typed'], ${JSON.stringify(from())});
      console.log(consumer.group);`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=@event-bus/source', '--input-type=module', '--eval', script],
      { env: { PATH: process.env.PATH } },
    );

    expect(stdout.trim()).toBe('from-source');
  });
});
