import { archiveConfig, openArchiveStore } from '@event-bus/archive';
import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import {
  planReplay,
  previewReplay,
  type ReplayBound,
  type ReplayCount,
  type ReplayPlan,
  requestReplay,
} from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import type { SetStatus } from '../exit-status.ts';
import { plural } from '../format.ts';
import { parseCount, parseEntryId, parseInstant } from '../options.ts';
import { print } from '../output.ts';
import { table } from '../table.ts';
import { thisUser } from '../this-user.ts';
import { addReplayControl } from './replay-control.ts';
import { addReplayList } from './replay-list.ts';
import { followReplay } from './replay-progress.ts';
import { addReplayShow } from './replay-show.ts';

const config = z.object({
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
  ...redisConfig,
  ...archiveConfig,
  ARCHIVE_URL: archiveConfig.ARCHIVE_URL.optional(),
});

interface ReplayOptions {
  readonly group?: string;
  readonly topic?: string;
  readonly from?: Date;
  readonly fromId?: string;
  readonly to?: Date;
  readonly toId?: string;
  readonly type?: string;
  readonly tenant?: string;
  readonly aggregate?: string;
  readonly rate?: number;
  readonly reason?: string;
  readonly operator: string;
  readonly dryRun?: true;
  readonly wait: boolean;
}

/** `bus replay` */
export function addReplay(program: Command, setStatus: SetStatus): void {
  const replay = program
    .command('replay')
    .summary('bring a range of history to one group again')
    .description(
      'Has events of a topic handled again by one group, and by no other, from the archive and the stream as one sequence. ' +
        'Handlers see that it is a replay. Times are those of the events, and both ends are included; without an end it is ' +
        'all there is now. A replayer does the work: it goes on when this command ends.',
    )
    .option('--group <group>', 'handled by this consumer group')
    .option('--topic <topic>', 'events of this topic')
    .option(
      '--from <time>',
      'events that occurred from then on: 2026-09-21T14:00:00Z, or so long ago: 7d',
      parseInstant,
    )
    .option('--from-id <entry_id>', 'from this entry of the stream on', parseEntryId)
    .option('--to <time>', 'events that occurred until then', parseInstant)
    .option('--to-id <entry_id>', 'up to this entry of the stream', parseEntryId)
    .option('--type <event_type>', 'events of this type')
    .option('--tenant <tenant_id>', 'events of this tenant')
    .option('--aggregate <aggregate_id>', 'events of this aggregate')
    .option('--rate <n>', 'at most so many events per second', parseCount(1))
    .option('--reason <text>', 'why, for the record')
    .option('--operator <name>', 'on record as who did it', thisUser())
    .option('--dry-run', 'only count what it would be, by event type')
    .option('--no-wait', 'do not wait for its end')
    .addHelpText(
      'after',
      '\nExample:\n  $ bus replay --group user-directory --topic user --from 2026-09-01T00:00:00Z --dry-run',
    )
    .action(async (options: ReplayOptions, command: Command) => {
      const wish = wishOf(command, options);
      const env = loadConfig(config, process.env);
      await withConnections(async (connections) => {
        const { db } = await connections.database(env.BUS_DATABASE_URL);
        const { ARCHIVE_URL } = env;
        const store = ARCHIVE_URL && (await openArchiveStore({ ...env, ARCHIVE_URL }));
        try {
          const observer = connections.redis(env.REDIS_URL).observer();
          const history = { store, streams: observer };
          const plan = await planReplay(db, history, wish);
          if (options.dryRun === true) {
            print(previewText(plan, await previewReplay(history, plan)));
            return;
          }
          const { operator, reason = null, rate = null } = options;
          const id = await requestReplay(db, plan, { operator, reason, rate });
          print(`Replay ${id} is asked for.`);
          if (options.wait) await followReplay({ bus: db, observer }, id, setStatus);
        } finally {
          await store?.close();
        }
      });
    });
  addReplayList(replay);
  addReplayShow(replay);
  addReplayControl(replay);
}

function wishOf(command: Command, options: ReplayOptions): Parameters<typeof planReplay>[2] {
  const { group, topic, type = null, tenant = null, aggregate = null } = options;
  if (group === undefined || topic === undefined) return command.error('error: say --group and --topic');
  const from = boundOf(command, options.from, options.fromId, '--from');
  const to = boundOf(command, options.to, options.toId, '--to');
  if (from === undefined) return command.error('error: say where it begins: --from or --from-id');
  if ('at' in from && to !== undefined && 'at' in to && from.at > to.at) {
    return command.error('error: --from is later than --to');
  }
  return { group, topic, from, to, eventType: type, tenantId: tenant, aggregateId: aggregate };
}

function boundOf(
  command: Command,
  at: Date | undefined,
  id: string | undefined,
  name: string,
): ReplayBound | undefined {
  if (at !== undefined && id !== undefined)
    return command.error(`error: ${name} and ${name}-id exclude each other`);
  if (at !== undefined) return { at };
  return id === undefined ? undefined : { id };
}

function previewText({ group }: ReplayPlan, counts: readonly ReplayCount[]): string {
  const total = counts.reduce((sum, { archived, streamed }) => sum + archived + streamed, 0);
  if (total === 0) return `Nothing in this range is what you asked for: ${group} would get no event.`;
  const rows = table(
    [
      { title: 'TYPE', text: ({ eventType }) => eventType },
      { title: 'ARCHIVE', text: ({ archived }) => String(archived), right: true },
      { title: 'STREAM', text: ({ streamed }) => String(streamed), right: true },
    ],
    counts,
  );
  return `${rows}\n${plural(total, 'event')} would be replayed to ${group}.`;
}
