import { archiveConfig, openArchiveStore } from '@event-bus/archive';
import { databaseConfig, loadConfig, redisConfig, type Secret } from '@event-bus/config';
import { platformCatalog } from '@event-bus/contracts';
import { createPolicies, examine, type Finding, retentionConfig } from '@event-bus/operations';
import { examineServer, type RedisUser, redisUsers } from '@event-bus/transport/redis';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import type { SetStatus } from '../exit-status.ts';
import { describeFailure } from '../failure.ts';
import { oneLine } from '../format.ts';
import { inboxConfig } from '../inbox-config.ts';
import { withJson } from '../options.ts';
import { print, printJson } from '../output.ts';

const config = z.object({
  DATABASE_URL: databaseConfig.DATABASE_URL,
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
  ...inboxConfig,
  ...redisConfig,
  ...archiveConfig,
  ARCHIVE_URL: archiveConfig.ARCHIVE_URL.optional(),
  ...retentionConfig,
});

interface DoctorOptions {
  readonly as: RedisUser;
  readonly json?: true;
}

/** `bus doctor` */
export function addDoctor(program: Command, setStatus: SetStatus): void {
  withJson(program.command('doctor'))
    .summary('say what is wrong with a deployment')
    .description(
      'Checks the servers, streams, groups, outbox and upkeep of a bus, from where it is run and with the environment it is given, ' +
        'and prints a line for each check: ok, warning or problem, and what to do. Exit status 1 if there is a problem. It ' +
        'changes nothing, but for a small object that it writes to the archive and deletes.',
    )
    .addOption(
      new Option(
        '--as <user>',
        'the kind of process that the user in REDIS_URL is for: its rights are checked',
      )
        .choices(redisUsers)
        .default('operator'),
    )
    .addHelpText('after', '\nExample:\n  $ bus doctor')
    .action(async ({ as: redisUser, json }: DoctorOptions) => {
      const env = loadConfig(config, process.env);
      const findings = await withConnections(async (connections) => {
        const opened = new Map<string, ReturnType<typeof connections.open>>();
        const names = new Map<string, string[]>();
        const open = (name: string, url: Secret) => {
          const key = url.reveal();
          names.set(key, [...(names.get(key) ?? []), name]);
          const connection = opened.get(key) ?? connections.open(url);
          opened.set(key, connection);
          return connection;
        };
        const outbox = open('DATABASE_URL', env.DATABASE_URL);
        const { db: bus } = open('BUS_DATABASE_URL', env.BUS_DATABASE_URL);
        const { db: inbox } = open('INBOX_DATABASE_URL', env.INBOX_DATABASE_URL);
        const databases = new Map(
          [...opened].map(([key, { db }]) => [db, (names.get(key) ?? []).join(', ')]),
        );
        const { ARCHIVE_URL } = env;
        const store = ARCHIVE_URL && (await openArchiveStore({ ...env, ARCHIVE_URL }));
        try {
          return await examine({
            outbox,
            inbox,
            bus,
            databases,
            transport: connections.redis(env.REDIS_URL),
            examineRedis: () => examineServer(env.REDIS_URL.reveal(), redisUser),
            redisUser,
            store,
            policyOf: createPolicies(platformCatalog.topics, env.RETENTION),
            describe: describeFailure,
          });
        } finally {
          await store?.close();
        }
      });
      if (json === true) printJson(findings);
      else print(findings.map(line).join('\n'));
      if (findings.some(({ state }) => state === 'problem')) setStatus(1);
    });
}

function line({ state, check, found, advice }: Finding): string {
  const todo = advice === null ? '' : `; ${advice}`;
  return `${state.padEnd('problem'.length)}  ${check}: ${oneLine(found)}${todo}`;
}
