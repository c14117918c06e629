import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError, type ConfigFault } from '@event-bus/config';
import type { ConsumerDefinition } from '@event-bus/consumer';
import { suggest } from './suggest.ts';
import {
  findWorkspace,
  listServices,
  readPackage,
  type Services,
  type UnreadablePackage,
  type WorkspacePackage,
} from './workspace.ts';

/**
 * Loads the definitions that `names` names: packages under services/, or folders that hold a package. Each is the
 * default export of its package, found the way its own code would find it.
 * @throws ConfigError naming everything that is wrong with CONSUMERS, and with the variables that the consumers read.
 */
export async function loadConsumers(
  names: readonly string[],
  from: { readonly workspace: string; readonly cwd: string } = {
    workspace: import.meta.dirname,
    cwd: process.cwd(),
  },
): Promise<ConsumerDefinition[]> {
  const root = findWorkspace(from.workspace) ?? from.cwd;
  const services = listServices(root);
  const faults: ConfigFault[] = [];
  const byGroup = new Map<string, { readonly name: string; readonly definition: ConsumerDefinition }>();

  for (const name of new Set(names)) {
    const loaded = await load(name, services, [root, from.cwd]);
    if ('faults' in loaded) {
      faults.push(...loaded.faults);
      continue;
    }
    const { definition } = loaded;
    const other = byGroup.get(definition.group);
    if (other !== undefined) {
      const problem = `${other.name} and ${name} both define the group ${definition.group}; a group is one consumer`;
      faults.push({ variable: 'CONSUMERS', problem });
    } else {
      byGroup.set(definition.group, { name, definition });
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return [...byGroup.values()].map(({ definition }) => definition);
}

type Loaded = { readonly definition: ConsumerDefinition } | { readonly faults: readonly ConfigFault[] };

async function load(name: string, services: Services, bases: readonly string[]): Promise<Loaded> {
  const found = services.packages.find((service) => service.name === name) ?? findFolder(name, bases);
  if (found === undefined) return refused(unknownConsumer(name, services));
  if ('reason' in found) return refused(unreadable(found));

  const require = createRequire(join(found.folder, 'package.json'));
  let file: string;
  try {
    // By its own name, so that its exports and this process's conditions decide.
    file = require.resolve(found.name);
  } catch (error) {
    return refused(`${name} has no entry to load: ${reasonOf(error)}`);
  }
  let module: unknown;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (error) {
    return isConfigError(error)
      ? { faults: error.faults }
      : refused(`${name} fails to load: ${reasonOf(error)}`);
  }
  const definition: unknown =
    typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;
  if (!isConsumerDefinition(definition)) {
    return refused(`${name} has no consumer: its default export must be the result of defineConsumer(...)`);
  }
  return { definition };
}

function refused(problem: string): Loaded {
  return { faults: [{ variable: 'CONSUMERS', problem }] };
}

function findFolder(
  name: string,
  bases: readonly string[],
): WorkspacePackage | UnreadablePackage | undefined {
  for (const base of bases) {
    const folder = resolve(base, name);
    if (existsSync(folder)) return readPackage(folder);
  }
  return undefined;
}

function unreadable({ file, reason }: UnreadablePackage): string {
  return `${file} cannot be read: ${reason}`;
}

function unknownConsumer(name: string, services: Services): string {
  const names = services.packages.map((service) => service.name);
  const meant = suggest(name, names);
  const hint =
    meant === undefined ? `the packages under services/ are ${names.join(', ')}` : `did you mean ${meant}?`;
  // It may be the one that was meant.
  return [`there is no package and no folder ${name}`, hint, ...services.unreadable.map(unreadable)].join(
    '; ',
  );
}

/** Told by its shape: a consumer may come with another copy of the package that defines it. */
function isConsumerDefinition(value: unknown): value is ConsumerDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    'group' in value &&
    typeof value.group === 'string' &&
    'handlings' in value &&
    value.handlings instanceof Map
  );
}

/** Told by its shape, too. */
function isConfigError(error: unknown): error is ConfigError {
  return error instanceof Error && 'code' in error && error.code === 'config_invalid' && 'faults' in error;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
