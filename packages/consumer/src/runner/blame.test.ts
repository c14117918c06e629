import { describe, expect, it } from 'vitest';
import { createBlame } from './blame.ts';

describe('blame', () => {
  it('falls on what fails again after others have succeeded, and stays', () => {
    const blame = createBlame();

    const first = blame.isItsOwn('poison');
    blame.succeeded('healthy');
    const again = blame.isItsOwn('poison');
    const withoutSuccess = blame.isItsOwn('poison');

    expect([first, again, withoutSuccess]).toEqual([false, true, true]);
  });

  it('falls on nothing while nothing succeeds, and not on a first failure', () => {
    const blame = createBlame();
    const events = ['a', 'b', 'c'];
    blame.succeeded('healthy');

    expect(events.map((event) => blame.isItsOwn(event))).toEqual([false, false, false]);
    expect(events.map((event) => blame.isItsOwn(event))).toEqual([false, false, false]);
  });

  it('begins anew with an event that has succeeded', () => {
    const blame = createBlame();
    blame.isItsOwn('a');
    blame.succeeded('healthy');
    blame.isItsOwn('a');

    blame.succeeded('a');

    expect(blame.isItsOwn('a')).toBe(false);
  });

  it('falls on what was to blame for somebody else', () => {
    const blame = createBlame();

    expect([blame.isItsOwn('a', true), blame.isItsOwn('a')]).toEqual([true, true]);
  });

  it('remembers a bounded number of failing events', () => {
    const blame = createBlame();
    for (let n = 0; n <= 10_000; n += 1) blame.isItsOwn(`event ${n}`);
    blame.succeeded('healthy');

    expect([blame.isItsOwn('event 0'), blame.isItsOwn('event 10000')]).toEqual([false, true]);
  });
});
