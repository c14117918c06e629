import { setTimeout as delay } from 'node:timers/promises';
import { loadReplay, type Replay } from '@event-bus/database';
import { findReplayObstacle, type ReplayObstacle, replayPercent } from '@event-bus/operations';
import type { SetStatus } from '../exit-status.ts';
import { describeFailure } from '../failure.ts';
import { oneLine, plural } from '../format.ts';
import { interruption } from '../interruption.ts';
import { print, printError } from '../output.ts';
import { countsOf } from './replay-view.ts';

const pollMs = 300;
const barWidth = 30;
/** A replayer that runs takes a replay up sooner than this. */
const patienceMs = 5_000;
/** A replay that stands for longer is asked what it waits for. */
const standsMs = 2_000;

/** Shows how far a replay is until it has ended or is stopped, or Ctrl-C; the replay goes on without. */
export async function followReplay(
  from: Parameters<typeof findReplayObstacle>[0],
  id: string,
  setStatus: SetStatus,
): Promise<void> {
  const stop = interruption();
  const isTerminal = process.stderr.isTTY;
  const beganAt = performance.now();
  let isWarned = false;
  let shown = '';
  let progress = '';
  let movedAt = performance.now();
  for (;;) {
    const replay = await loadReplay(from.bus, id);
    if (replay === undefined) return;
    if (progress !== progressLine(replay)) movedAt = performance.now();
    progress = progressLine(replay);
    const stands = replay.state === 'running' && performance.now() - movedAt > standsMs;
    const line = stands ? `${progress}${await waitingText(from, replay)}` : progress;
    if (isTerminal) process.stderr.write(`\r\x1b[K${line}`);
    else if (line !== shown) printError(line);
    shown = line;
    if (!isWarned && replay.state === 'queued' && performance.now() - beganAt > patienceMs) {
      isWarned = true;
      printError(`${isTerminal ? '\n' : ''}No replayer has taken it up yet: is one running?`);
    }
    if (!['queued', 'running'].includes(replay.state) || stop.aborted) {
      if (isTerminal) process.stderr.write('\n');
      print(endText(replay));
      if (replay.state !== 'done') setStatus(1);
      return;
    }
    await delay(pollMs, undefined, { signal: stop }).catch(() => 'told to stop');
  }
}

function progressLine(replay: Replay): string {
  const percent = replayPercent(replay.streams);
  const filled = Math.round((barWidth * percent) / 100);
  const { injected, handled } = countsOf(replay);
  const bar = `${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}`;
  return `[${bar}] ${String(percent).padStart(3)}%  ${injected} injected, ${handled} settled  ${replay.state}`;
}

/** What a replay that stands waits for, behind its progress. A server that is away is such an obstacle, and no end. */
async function waitingText(from: Parameters<typeof findReplayObstacle>[0], replay: Replay): Promise<string> {
  try {
    const obstacle = await findReplayObstacle(from, replay);
    return obstacle === null ? '' : `, waits: ${obstacleText(replay.group, obstacle)}`;
  } catch (error) {
    return `, waits: ${oneLine(describeFailure(error))}`;
  }
}

function obstacleText(group: string, obstacle: ReplayObstacle): string {
  switch (obstacle.kind) {
    case 'no-runner':
      return `no runner of ${group} was heard of lately`;
    case 'paused':
      return `${group} was paused by ${obstacle.pause.by || 'somebody'}: \`bus resume ${group}\``;
    case 'circuit':
      return `${group} has an open circuit: ${oneLine(obstacle.circuit.error)}`;
    case 'failing': {
      const { eventType, eventId, failure } = obstacle.entry;
      const { attempts = 0, error = '', nextAttemptAt = null } = failure ?? {};
      const next =
        nextAttemptAt === null
          ? 'it waits for the dlq-mover'
          : `tried again at ${nextAttemptAt.toISOString()}`;
      return `${eventType} ${eventId} has failed ${attempts} times, ${next}: ${oneLine(error)}`;
    }
  }
}

function endText(replay: Replay): string {
  const { handled } = countsOf(replay);
  switch (replay.state) {
    case 'done':
      return `Done: ${plural(handled, 'event')} settled by ${replay.group}.`;
    case 'failed':
      return `Failed: ${replay.error}\nWhen that is mended: bus replay resume ${replay.id}`;
    case 'paused':
      return `Paused: bus replay resume ${replay.id}`;
    case 'cancelled':
      return 'Cancelled.';
    case 'queued':
    case 'running':
      return `It goes on without this command: bus replay show ${replay.id}`;
  }
}
