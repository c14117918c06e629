// Performs the steps of a Dockerfile without a container engine: every stage is a folder, its root. It knows what
// our Dockerfile uses, in the order Docker would run it, and refuses everything else. What it cannot show is what
// depends on the base image: that `node` and `npm` are there is taken for granted.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, matchesGlob } from 'node:path';

interface Step {
  readonly instruction: string;
  readonly text: string;
}

interface Stage {
  readonly name: string;
  readonly from: string;
  readonly steps: readonly Step[];
}

/** A stage that was built. */
export interface Built {
  /** The folder that stands for `/`. */
  readonly root: string;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Shell text of CMD. */
  readonly command: string;
}

function parse(text: string): Stage[] {
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n/g, ' ');
  const steps = [...lines.matchAll(/^([A-Z]+)\s+(.+)$/gm)].map(([, instruction = '', rest = '']) => ({
    instruction,
    text: rest.trim(),
  }));
  const stages: { name: string; from: string; steps: Step[] }[] = [];
  for (const step of steps) {
    if (step.instruction === 'FROM') {
      const [from = '', , name = 'final'] = step.text.split(/\s+/);
      stages.push({ name, from, steps: [] });
    } else stages.at(-1)?.steps.push(step);
  }
  return stages;
}

/** The files that a build would be sent: what git knows or would add, without what .dockerignore names. */
function contextFiles(context: string): string[] {
  const { stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: context,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const ignored = readFileSync(join(context, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const isIgnored = (file: string) =>
    ignored.some((pattern) => matchesGlob(file, pattern) || matchesGlob(file, `${pattern}/**`));
  return stdout
    .split('\0')
    .filter((file) => file !== '' && !isIgnored(file) && existsSync(join(context, file)));
}

/** Builds images of one Dockerfile into subfolders of `folder`. */
export function createBuilder(options: {
  readonly context: string;
  readonly folder: string;
  readonly log: (line: string) => void;
}): (args: Readonly<Record<string, string>>) => Built {
  const { context, folder, log } = options;
  const stages = parse(readFileSync(join(context, 'Dockerfile'), 'utf8'));
  const files = contextFiles(context);
  const shared = new Map<string, Built>();
  // What a base image has: this process's Node.js, the machine's npm and shell.
  const base = join(folder, 'bin');
  mkdirSync(base, { recursive: true });
  symlinkSync(process.execPath, join(base, 'node'));

  function perform(stage: Stage, args: Readonly<Record<string, string>>, built: Map<string, Built>): Built {
    // A stage that takes no argument is the same in every image, and Docker caches it likewise.
    const isShared = !stage.steps.some(({ instruction }) => instruction === 'ARG');
    const known = shared.get(stage.name);
    if (isShared && known !== undefined) return known;

    const root = join(
      folder,
      isShared ? 'shared' : Object.values(args).join('+').replaceAll(' ', '+'),
      stage.name,
    );
    mkdirSync(root, { recursive: true });
    const parent = built.get(stage.from);
    if (parent !== undefined) cpSync(parent.root, root, { recursive: true, verbatimSymlinks: true });
    const env: Record<string, string> = { ...parent?.env };
    const variables: Record<string, string> = {};
    let workdir = parent?.workdir ?? '/';
    let command = parent?.command ?? '';
    const substitute = (text: string) =>
      text.replaceAll(/\$\{?(\w+)\}?/g, (_, name: string) => variables[name] ?? env[name] ?? '');

    for (const { instruction, text } of stage.steps) {
      if (instruction === 'ARG') {
        const [, name = '', fallback] = /^(\w+)(?:=(.*))?$/.exec(text) ?? [];
        const value = args[name] ?? fallback?.replaceAll('"', '');
        if (value !== undefined) variables[name] = value;
      } else if (instruction === 'ENV') {
        for (const [, name = '', value = ''] of text.matchAll(/(\w+)=(\S+)/g)) env[name] = substitute(value);
      } else if (instruction === 'WORKDIR') {
        workdir = text;
        mkdirSync(join(root, workdir), { recursive: true });
      } else if (instruction === 'COPY') {
        copy({ text, to: join(root, workdir), context, files, built });
      } else if (instruction === 'RUN') {
        log(`${stage.name}: ${text.replaceAll(/\s+/g, ' ')}`);
        run(text, {
          cwd: join(root, workdir),
          env: environment({ base, root, own: { ...env, ...variables } }),
        });
      } else if (instruction === 'CMD') command = text;
      else if (!['USER', 'EXPOSE'].includes(instruction))
        throw new Error(`${instruction} is not understood here`);
    }
    const result = { root, workdir, env: environment({ base, root, own: env }), command };
    if (isShared) shared.set(stage.name, { ...result, env });
    return isShared ? { ...result, env } : { ...result, env: { ...result.env, ...env } };
  }

  return (args) => {
    const built = new Map<string, Built>();
    for (const stage of stages) built.set(stage.name, perform(stage, args, built));
    const image = built.get('final');
    if (image === undefined) throw new Error('the Dockerfile has no last stage without a name');
    return image;
  };
}

function copy(step: {
  readonly text: string;
  readonly to: string;
  readonly context: string;
  readonly files: readonly string[];
  readonly built: ReadonlyMap<string, Built>;
}): void {
  const [, from, source = '', target = ''] = /^(?:--from=(\w+)\s+)?(\S+)\s+(\S+)$/.exec(step.text) ?? [];
  const to = join(step.to, target);
  if (from !== undefined) {
    const stage = step.built.get(from);
    if (stage === undefined) throw new Error(`COPY --from=${from}: there is no such stage`);
    const path = join(stage.root, source);
    const isFolder = statSync(path).isDirectory();
    cpSync(path, isFolder ? to : join(to, source.split('/').at(-1) ?? ''), {
      recursive: true,
      verbatimSymlinks: true,
    });
    return;
  }
  const chosen = step.files.filter((file) => source === '.' || file === source);
  if (chosen.length === 0) throw new Error(`COPY ${source}: it is not in the build's context`);
  for (const file of chosen) {
    const path = join(to, source === '.' ? file : (file.split('/').at(-1) ?? file));
    mkdirSync(dirname(path), { recursive: true });
    cpSync(join(step.context, file), path);
  }
}

/** Of this process's environment only what a network needs gets through. */
function environment(parts: {
  readonly base: string;
  readonly root: string;
  readonly own: Readonly<Record<string, string>>;
}): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(HOME|TMPDIR|.*_proxy|NODE_EXTRA_CA_CERTS)$/i.test(name),
  );
  const path = [join(parts.root, 'usr/local/bin'), parts.base, '/usr/local/bin', '/usr/bin', '/bin'].join(
    ':',
  );
  return {
    ...Object.fromEntries(kept.map(([name, value]) => [name, value ?? ''])),
    npm_config_prefix: join(parts.root, 'usr/local'),
    PATH: path,
    ...parts.own,
  };
}

function run(command: string, options: { readonly cwd: string; readonly env: Record<string, string> }): void {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { ...options, encoding: 'utf8' });
  if (status === 0) return;
  throw new Error(`RUN ${command}\nended with status ${status}:\n${stdout}${stderr}`);
}
