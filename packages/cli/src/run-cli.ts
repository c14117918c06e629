import { Command, CommanderError } from 'commander';
import { addAudit } from './commands/audit.ts';
import { addDlq } from './commands/dlq.ts';
import { addDoctor } from './commands/doctor.ts';
import { addGroups } from './commands/groups.ts';
import { addHistory } from './commands/history.ts';
import { addMigrate } from './commands/migrate.ts';
import { addOutbox } from './commands/outbox.ts';
import { addPause, addResume } from './commands/pause.ts';
import { addPending } from './commands/pending.ts';
import { addPublish } from './commands/publish.ts';
import { addReconcile } from './commands/reconcile.ts';
import { addReplay } from './commands/replay.ts';
import { addRetention } from './commands/retention.ts';
import { addShow } from './commands/show.ts';
import { addStreams } from './commands/streams.ts';
import { addTail } from './commands/tail.ts';
import type { SetStatus } from './exit-status.ts';
import { describeFailure, exitStatusOf } from './failure.ts';
import { print, printError } from './output.ts';
import { startCliTelemetry } from './telemetry.ts';

const usageStatus = 64;

/** Runs one command line and returns the exit status; it never throws. Output goes to the standard streams. */
export async function runCli(args: readonly string[]): Promise<number> {
  let status = 0;
  let sendSpans = async (): Promise<void> => undefined;
  try {
    const program = createProgram((failed) => {
      status = failed;
    }).hook('preAction', async () => {
      sendSpans = await startCliTelemetry();
    });
    await program.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageStatus;
    printError(describeFailure(error));
    return exitStatusOf(error);
  } finally {
    await sendSpans();
  }
}

function createProgram(setStatus: SetStatus): Command {
  const program = new Command('bus')
    .description('Looks after the event bus: its databases, its outbox and its streams.')
    .exitOverride()
    .showHelpAfterError('(add --help for what this command takes)')
    .configureOutput({
      writeOut: (text) => print(text.trimEnd()),
      writeErr: (text) => printError(text.trimEnd()),
    })
    .addHelpText('after', help);
  addMigrate(program);
  addDoctor(program, setStatus);
  addStreams(program, setStatus);
  addGroups(program);
  addPending(program, setStatus);
  addPause(program);
  addResume(program);
  addDlq(program, setStatus);
  addHistory(program);
  addShow(program, setStatus);
  addTail(program);
  addPublish(program);
  addOutbox(program, setStatus);
  addReconcile(program, setStatus);
  addAudit(program, setStatus);
  addRetention(program, setStatus);
  addReplay(program, setStatus);
  return program;
}

const help = `
Configuration comes from the environment; a command asks only for what it needs:
  DATABASE_URL         the database of the outbox
  DATABASE_DIRECT_URL  the same without a connection pooler (default: DATABASE_URL)
  BUS_DATABASE_URL     the database of the whole bus (default: DATABASE_URL)
  INBOX_DATABASE_URL   the database of the consumers' inboxes (default: DATABASE_URL)
  REDIS_URL            the Redis server
  ARCHIVE_URL          the archive, for \`bus replay\`, \`bus show\` and \`bus doctor\`
  RETENTION            how long events are kept, for \`bus retention\`, as the archiver has it
  JAEGER_URL           Jaeger's address, to which \`bus show\` links
  OTEL_EXPORTER_OTLP_ENDPOINT  where what a command does to an event is traced to

Exit status: 0 done, 1 failed or not all is well, 64 wrong usage, 78 wrong configuration.

Examples:
  $ bus doctor                    what is wrong with a deployment
  $ bus groups                    what every consumer group still has to do
  $ bus outbox status             whether events leave the outbox
  $ bus <command> --help          what a command does, with an example`;
