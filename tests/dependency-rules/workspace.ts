import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** A package or service as its package.json declares it. */
export interface PackageManifest {
  /** Relative to the root: `packages/outbox`. */
  readonly folder: string;
  readonly name: string;
  /** Names it needs to run. */
  readonly dependencies: readonly string[];
  /** Names its tests need. */
  readonly devDependencies: readonly string[];
}

/** A TypeScript file below a `src` folder. */
export interface SourceFile {
  /** Relative to the root. */
  readonly path: string;
  readonly text: string;
}

/** All that the dependency rules are about. */
export interface Workspace {
  readonly packages: readonly PackageManifest[];
  readonly files: readonly SourceFile[];
}

interface ManifestFile {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function readManifest(folder: string): PackageManifest {
  const manifest = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as ManifestFile;
  const { dependencies, optionalDependencies, peerDependencies, devDependencies } = manifest;
  return {
    folder,
    name: manifest.name,
    dependencies: Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }),
    devDependencies: Object.keys(devDependencies ?? {}),
  };
}

function readSources(folder: string): readonly SourceFile[] {
  const paths = globSync(`${folder}/src/**/*.ts`, { cwd: ROOT });
  return paths.map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** Reads every package and service of this workspace. */
export function readWorkspace(): Workspace {
  const folders = globSync('{packages,services}/*/package.json', { cwd: ROOT }).map(dirname).toSorted();
  return { packages: folders.map(readManifest), files: folders.flatMap(readSources) };
}
