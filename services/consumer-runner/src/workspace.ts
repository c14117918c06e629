import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** A package of the workspace. */
export interface WorkspacePackage {
  readonly name: string;
  readonly folder: string;
}

/** The workspace's root: the nearest folder above that has a pnpm-workspace.yaml, or `undefined`. */
export function findWorkspace(from: string): string | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'pnpm-workspace.yaml'))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** The packages under services/. */
export function listServices(root: string): WorkspacePackage[] {
  const services = join(root, 'services');
  if (!existsSync(services)) return [];
  return readdirSync(services, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => readPackage(join(services, entry.name)) ?? [])
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The package in a folder, if there is one with a name. */
export function readPackage(folder: string): WorkspacePackage | undefined {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return undefined;
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof content !== 'object' || content === null || !('name' in content)) return undefined;
  return typeof content.name === 'string' ? { name: content.name, folder } : undefined;
}
