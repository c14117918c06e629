import type { ServerExamination } from '@event-bus/transport/redis';
import { expect, test } from 'vitest';
import { checkClock, type Finding, reportTo } from './finding.ts';
import { checkRedis } from './servers.ts';

const sound: ServerExamination = {
  name: 'Redis 7.2.4',
  redisVersion: '7.2.4',
  isMaster: true,
  usedMemoryBytes: 40,
  maxMemoryBytes: 100,
  evictionPolicy: 'noeviction',
  isAppendOnly: true,
  aheadMs: 12,
  forbidden: [],
};

function found(change: Partial<ServerExamination>): string[] {
  const findings: Finding[] = [];
  checkRedis({ ...sound, ...change }, 'runner', reportTo(findings, 'Redis'));
  return findings.map(({ state, found }) => `${state}: ${found}`);
}

test.each([
  [{}, ['ok: Redis 7.2.4, noeviction, 40 % of its memory used, with what a runner may send']],
  [{ redisVersion: '6.2.0', aheadMs: null }, [expect.stringMatching(/^ok/)]],
  [{ redisVersion: '6.0.16', name: 'Redis 6.0.16' }, ['problem: Redis 6.0.16 is older than 6.2']],
  [{ usedMemoryBytes: 85 }, ['warning: 85 % of maxmemory are used']],
  [{ usedMemoryBytes: 95 }, [expect.stringMatching(/^problem: 95 % of maxmemory are used/)]],
  [{ aheadMs: -7_400 }, ['warning: its clock is 7 s behind the clock here']],
])('judges a Redis by what it says of itself: %j', (change, expected) => {
  expect(found(change)).toEqual(expected);
});

test.each([
  [4_000, []],
  [-60_000, ['warning']],
  [2 * 3_600_000, ['problem']],
])('a clock that is off by %i ms is told as %j', (aheadMs, expected) => {
  const findings: Finding[] = [];
  checkClock(reportTo(findings, 'clock'), aheadMs);

  expect(findings.map(({ state }) => state)).toEqual(expected);
});
