import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errorText } from '@event-bus/telemetry';

/** A package of the workspace. */
export interface WorkspacePackage {
  readonly name: string;
  readonly folder: string;
}

/** A package.json that cannot be read: whose it is, nobody knows. */
export interface UnreadablePackage {
  readonly file: string;
  readonly reason: string;
}

/** What is under services/. */
export interface Services {
  readonly packages: readonly WorkspacePackage[];
  /** They concern nobody but who wants to run one of them. */
  readonly unreadable: readonly UnreadablePackage[];
}

/** The workspace's root: the nearest folder above that has a pnpm-workspace.yaml, or `undefined`. */
export function findWorkspace(from: string): string | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'pnpm-workspace.yaml'))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** The packages under services/. Never throws for what one of them holds. */
export function listServices(root: string): Services {
  const services = join(root, 'services');
  if (!existsSync(services)) return { packages: [], unreadable: [] };
  const found = readdirSync(services, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => readPackage(join(services, entry.name)) ?? []);
  return {
    packages: found.filter((one) => 'name' in one).sort((a, b) => (a.name < b.name ? -1 : 1)),
    unreadable: found.filter((one) => 'reason' in one),
  };
}

/** The package in a folder, if there is one with a name. */
export function readPackage(folder: string): WorkspacePackage | UnreadablePackage | undefined {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return { file, reason: errorText(error) };
  }
  if (typeof content !== 'object' || content === null || !('name' in content)) return undefined;
  return typeof content.name === 'string' ? { name: content.name, folder } : undefined;
}
