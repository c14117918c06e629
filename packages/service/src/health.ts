import { redactUrlPasswords } from '@event-bus/telemetry';
import type { HealthCheck } from './component.ts';
import { withDeadline } from './deadline.ts';
import { reasonOf } from './errors.ts';

/** What `/readyz` answers. A dependency is `ok`, or else its entry says why it is away. */
export interface Readiness {
  readonly status: 'ready' | 'not ready' | 'starting' | 'stopping';
  readonly dependencies: Readonly<Record<string, string>>;
  readonly away: readonly string[];
}

/** What a process knows of its own health. */
export interface Health {
  /** A dependency that the start waits for, and why it is away. */
  away(dependency: string, reason: string): void;
  /** A dependency that was waited for and has been reached. */
  reached(dependency: string): void;
  /** The start is complete: from now on readiness is what these checks say. */
  started(checks: readonly HealthCheck[]): void;
  /** Not ready from now on, whatever the checks say. */
  stopping(): void;
  /** Not alive from now on. */
  crashed(component: string): void;
  /** The component that crashed, if one did. */
  crash(): string | undefined;
  /** Asks all dependencies at once; each has two seconds to answer. */
  readiness(): Promise<Readiness>;
}

const checkTimeoutMs = 2000;

/** The health of a process that is starting. */
export function createHealth(): Health {
  const start = new Map<string, string>();
  let phase: 'starting' | 'running' | 'stopping' = 'starting';
  let checks: readonly HealthCheck[] = [];
  let crashedComponent: string | undefined;

  return {
    away: (dependency, reason) => void start.set(dependency, redactUrlPasswords(reason)),
    reached: (dependency) => void start.set(dependency, 'ok'),
    started(dependencies) {
      checks = dependencies;
      if (phase === 'starting') phase = 'running';
    },
    stopping() {
      phase = 'stopping';
    },
    crashed(component) {
      crashedComponent = component;
    },
    crash: () => crashedComponent,
    async readiness() {
      const dependencies = phase === 'starting' ? [...start] : await Promise.all(checks.map(outcomeOf));
      const away = dependencies.filter(([, outcome]) => outcome !== 'ok').map(([name]) => name);
      const running = away.length === 0 ? 'ready' : 'not ready';
      // Read after the checks: the process may have begun to stop meanwhile.
      return {
        status: phase === 'running' ? running : phase,
        dependencies: Object.fromEntries(dependencies),
        away,
      };
    },
  };
}

async function outcomeOf(dependency: HealthCheck): Promise<[string, string]> {
  try {
    await withDeadline(() => dependency.check(), { timeoutMs: checkTimeoutMs });
    return [dependency.name, 'ok'];
  } catch (error) {
    return [dependency.name, redactUrlPasswords(reasonOf(error))];
  }
}
