import { describe, expect, it } from 'vitest';
import { createBlame } from './blame.ts';

describe('blame', () => {
  it('falls on what fails again after others have succeeded, and stays', () => {
    const blame = createBlame<object>();
    const poison = {};

    const first = blame.isItsOwn(poison);
    blame.succeeded();
    const again = blame.isItsOwn(poison);
    const withoutSuccess = blame.isItsOwn(poison);

    expect([first, again, withoutSuccess]).toEqual([false, true, true]);
  });

  it('falls on nothing while nothing succeeds, and not on a first failure', () => {
    const blame = createBlame<object>();
    const items = [{}, {}, {}];
    blame.succeeded();

    expect(items.map((item) => blame.isItsOwn(item))).toEqual([false, false, false]);
    expect(items.map((item) => blame.isItsOwn(item))).toEqual([false, false, false]);
  });
});
