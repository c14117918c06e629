import { once } from 'node:events';
import { ConfigError, loadConfig, type workerConfig } from '@event-bus/config';
import { createLogger, type Logger } from '@event-bus/telemetry';
import { startTelemetry, type Telemetry } from '@event-bus/telemetry/sdk';
import type { z } from 'zod';
import type { Component, HealthCheck } from './component.ts';
import { reasonOf } from './errors.ts';
import { createHealth, type Health } from './health.ts';
import { startHealthServer } from './health-server.ts';
import { runComponent } from './run-component.ts';
import { type ClosableScope, createScope, type Scope } from './scope.ts';
import { createStop, type Stop } from './stop.ts';
import { waitFor } from './wait-for-dependency.ts';

/** The configuration of a service: a zod object whose keys are variable names, `workerConfig`'s among them. */
export type ServiceConfig = z.ZodObject<typeof workerConfig>;

/** What a service's `setup` is given. */
export interface SetupContext<Config> {
  readonly config: Config;
  readonly logger: Logger;
  readonly scope: Scope;
  /** Aborts when the process is asked to stop, also while it is still starting. */
  readonly signal: AbortSignal;
  /**
   * Waits until a dependency can be reached; meanwhile the log and `/readyz` name it. Rejects only when the
   * process is asked to stop.
   */
  readonly waitFor: (name: string, check: () => Promise<void>) => Promise<void>;
}

/** The parts of a service: what it runs, and what it cannot work without. */
export interface ServiceParts {
  readonly components: readonly Component[];
  readonly checks: readonly HealthCheck[];
}

/** A service, described. */
export interface Service<Schema extends ServiceConfig> {
  readonly name: string;
  readonly config: Schema;
  /** Opens what the service needs, in its scope, and makes its parts. It starts none: they run later. */
  setup(context: SetupContext<z.output<Schema>>): Promise<ServiceParts>;
}

const badConfigurationStatus = 78;

/**
 * Runs a service until it is told to stop and then ends the process: with status 0 after a clean stop, 78 when
 * the configuration is not usable (also when `setup` says so with a `ConfigError`), 1 for everything else.
 * Health and metrics are served from before `setup` until all is closed. The components run as soon as every
 * check has succeeded. Once per process.
 */
export async function runService<Schema extends ServiceConfig>(service: Service<Schema>): Promise<never> {
  try {
    process.exit(await run(service));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${service.name}: ${error.message}\n`);
    process.exit(badConfigurationStatus);
  }
}

/** What every service stands on while it runs. */
interface Frame<Config> {
  readonly config: Config;
  readonly logger: Logger;
  readonly health: Health;
  readonly stop: Stop;
  readonly scope: ClosableScope;
  readonly telemetry: Telemetry;
  /** What is still under way, for the log of a stop that takes too long. */
  readonly unfinished: Set<string>;
}

async function run<Schema extends ServiceConfig>(service: Service<Schema>): Promise<number> {
  const config = loadConfig(service.config, process.env);
  const logger = createLogger({ service: service.name, level: config.LOG_LEVEL });
  exitOnStrayErrors(logger);

  const unfinished = new Set(['start']);
  const health = createHealth();
  const stop = createStop({
    drainMs: config.SHUTDOWN_DRAIN,
    logger,
    unfinished,
    onStop: () => health.stopping(),
  });
  const otlpEndpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  const telemetry = await startTelemetry({ service: service.name, logger, otlpEndpoint });
  const frame = { config, logger, health, stop, scope: createScope(), telemetry, unfinished };

  let configFault: ConfigError | undefined;
  try {
    const components = await start(service, frame);
    await runComponents(components, frame);
  } catch (error) {
    // Whoever is told to stop while starting may fail in any way: there is nothing to mend.
    if (stop.drain.aborted) logger.info({ reason: reasonOf(error) }, 'start abandoned');
    else if (error instanceof ConfigError) configFault = error;
    else logger.error({ err: error }, `cannot start: ${reasonOf(error)}`);
    if (!stop.drain.aborted) stop.request('the start failed', 1);
  } finally {
    unfinished.delete('start');
  }

  await close(frame);
  if (configFault !== undefined) throw configFault;
  logger.info({ exitStatus: stop.exitStatus }, 'stopped');
  return stop.exitStatus;
}

async function start<Schema extends ServiceConfig>(
  service: Service<Schema>,
  frame: Frame<z.output<Schema>>,
): Promise<readonly Component[]> {
  const { config, logger, health, stop, scope, telemetry } = frame;
  const metricsText = (): Promise<string> => telemetry.metricsText();
  const server = scope.use(await startHealthServer({ port: config.PORT, health, metricsText }));
  logger.info({ port: server.port }, 'listening');

  const reach = async (name: string, check: () => Promise<void>): Promise<void> => {
    const onAway = (reason: string): void => health.away(name, reason);
    await waitFor(name, check, { logger, signal: stop.drain, onAway });
    health.reached(name);
  };
  const parts = await service.setup({ config, logger, scope, signal: stop.drain, waitFor: reach });
  await Promise.all(parts.checks.map((dependency) => reach(dependency.name, () => dependency.check())));
  stop.drain.throwIfAborted();

  health.started(parts.checks);
  logger.info({ components: parts.components.map(({ name }) => name) }, 'started');
  return parts.components;
}

async function runComponents(components: readonly Component[], frame: Frame<unknown>): Promise<void> {
  const { stop, unfinished } = frame;
  unfinished.delete('start');
  const told = stop.drain.aborted ? undefined : once(stop.drain, 'abort');
  const runs = components.map(async (component) => {
    unfinished.add(component.name);
    await runComponent(component, frame);
    unfinished.delete(component.name);
  });
  await Promise.all([...runs, told]);
}

/** Closes what the service opened, then the health server, and sends the last spans. Never rejects. */
async function close({ logger, stop, scope, telemetry, unfinished }: Frame<unknown>): Promise<void> {
  unfinished.add('close');
  try {
    await scope.close();
  } catch (error) {
    logger.error({ err: error }, 'not all could be closed');
    stop.request('closing failed', 1);
  }
  try {
    await telemetry.shutdown();
  } catch (error) {
    logger.warn({ err: error }, 'telemetry was not flushed');
  }
}

/** After an error that nobody caught, the state of the process is unknown: it ends at once. */
function exitOnStrayErrors(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.error({ err: error }, 'uncaught exception, exiting');
    process.exit(1);
  });
  process.on('unhandledRejection', (reason) => {
    logger.error({ err: reason }, 'unhandled rejection, exiting');
    process.exit(1);
  });
}
