import { describe, expect, it } from 'vitest';
import { type Evidence, stateOf } from './states.ts';

const nothing: Evidence = {
  status: 'published',
  account: { outcome: null, letter: null },
  isBeforeStart: false,
  isHandled: true,
  entries: [],
  isToBeRewritten: false,
  isTrimmed: false,
  isHistoryOpen: false,
};
const state = (evidence: Partial<Evidence>) => stateOf({ ...nothing, ...evidence });

describe('the state of an event', () => {
  it.each([
    ['done', null, 'done'],
    ['done', 'done', 'done'],
    ['skipped', 'done', 'skipped'],
    ['dead', 'dead', 'dead'],
    ['dead', 'redriving', 'redriving'],
    ['discarded', 'discarded', 'discarded'],
    ['discarded', null, 'discarded'],
    ['done', 'dead', 'contradictory'],
    ['done', 'redriving', 'contradictory'],
    ['done', 'discarded', 'contradictory'],
    ['dead', null, 'contradictory'],
    ['dead', 'done', 'contradictory'],
    ['discarded', 'dead', 'contradictory'],
    [null, 'dead', 'contradictory'],
    [null, 'done', 'contradictory'],
  ] as const)('with %s in the inbox and a letter that is %s is %s', (outcome, letter, expected) => {
    expect(state({ account: { outcome, letter }, entries: ['in-flight'] })).toBe(expected);
  });

  it('that nobody has settled is where it waits', () => {
    expect(state({ status: 'pending' })).toBe('unpublished');
    expect(state({ status: 'parked' })).toBe('parked');
    expect(state({ entries: ['unread'] })).toBe('unread');
    expect(state({ entries: ['in-flight'] })).toBe('in-flight');
    expect(state({ entries: ['retrying'] })).toBe('retrying');
    expect(state({ entries: ['given-up'] })).toBe('given-up');
  });

  it('of which there are several entries is that of the one that is furthest', () => {
    expect(state({ entries: ['unread', 'acknowledged', 'retrying'] })).toBe('retrying');
    expect(state({ entries: ['acknowledged', 'unread'] })).toBe('unread');
  });

  it('that is acknowledged and unknown to the inbox is missing, unless the group had no handler for it', () => {
    expect(state({ entries: ['acknowledged'] })).toBe('missing');
    expect(state({ entries: ['acknowledged'], isHandled: false })).toBe('passed-over');
    expect(state({ entries: ['unread'], isHandled: false })).toBe('unread');
  });

  it('that stands nowhere is missing, unless it is known why', () => {
    expect(state({})).toBe('missing');
    expect(state({ isToBeRewritten: true })).toBe('unpublished');
    expect(state({ isTrimmed: true })).toBe('forgotten');
    expect(state({ isTrimmed: true, isHistoryOpen: true })).toBe('unread');
    expect(state({ isHistoryOpen: true })).toBe('missing');
    expect(state({ isBeforeStart: true })).toBe('before-start');
  });

  it('that stood before the start of the group is known to the inbox if it was handled all the same', () => {
    expect(state({ isBeforeStart: true, account: { outcome: 'done', letter: null } })).toBe('done');
  });
});
