import { describe, expect, it } from 'vitest';
import { type Circuit, type CircuitOptions, createCircuit } from './circuit.ts';

const refused = new Error('connection refused');

/** A circuit with a clock of its own. */
function setUp(options: Partial<CircuitOptions> = {}) {
  let now = 5_000;
  const changes: ReturnType<Circuit['state']>[] = [];
  const circuit = createCircuit({
    threshold: 3,
    concurrency: 8,
    firstPauseMs: 1_000,
    longestPauseMs: 4_000,
    onChange: (changed) => changes.push(changed.state()),
    now: () => now,
    ...options,
  });
  return {
    circuit,
    changes,
    pass: (ms: number) => {
      now += ms;
    },
    /** Attempts on these aggregates that begin now and fail. Returns which of them count. */
    fail: (...aggregates: readonly string[]) =>
      aggregates.map((aggregate) => circuit.failed(circuit.era(), aggregate, refused)),
    succeed: () => circuit.succeeded(circuit.era()),
  };
}

describe('a circuit', () => {
  it('begins anew when it stands down, whatever becomes of the attempts that began before', () => {
    const { circuit, changes, fail, pass } = setUp();
    const before = circuit.era();
    fail('a', 'b', 'c');
    pass(1_000);
    const tried = circuit.era();
    expect(circuit.limit()).toBe(1);

    expect(circuit.standDown()).toBe(true);

    expect([circuit.state(), circuit.limit(), circuit.error]).toEqual(['closed', 8, undefined]);
    for (const era of [before, tried])
      expect(['x', 'y', 'z'].map((aggregate) => circuit.failed(era, aggregate, refused))).not.toContain(true);
    expect(circuit.standDown()).toBe(false);
    expect(changes).toEqual(['open', 'half-open']);
    expect(fail('a', 'b', 'c')).toEqual([true, true, false]);
    expect(circuit.pauseMs()).toBeLessThanOrEqual(1_000);
  });

  it('opens when as many different aggregates as its threshold fail in a row; the last failure does not count', () => {
    const { circuit, changes, fail } = setUp();

    expect(fail('a', 'b')).toEqual([true, true]);
    expect(circuit.state()).toBe('closed');
    expect(circuit.limit()).toBe(8);
    expect(fail('c')).toEqual([false]);

    expect(circuit.state()).toBe('open');
    expect(circuit.limit()).toBe(0);
    expect(circuit.error).toBe(refused);
    expect(changes).toEqual(['open']);
  });

  it('stays closed for one aggregate that fails again and again', () => {
    const { circuit, fail } = setUp();

    expect(fail(...Array.from({ length: 50 }, () => 'poison'))).not.toContain(false);
    expect(circuit.state()).toBe('closed');
  });

  it('stays closed while handlers succeed in between', () => {
    const { circuit, fail, succeed } = setUp();
    for (let round = 0; round < 20; round += 1) {
      fail(`a${round}`, `b${round}`);
      succeed();
    }

    expect(circuit.state()).toBe('closed');
  });

  it('never opens with a threshold of 0', () => {
    const { circuit, fail } = setUp({ threshold: 0 });

    expect(fail('a', 'b', 'c', 'd', 'e', 'f')).not.toContain(false);
    expect(circuit.state()).toBe('closed');
  });

  it('lets one attempt through when its pause is over, and tells of it once', () => {
    const { circuit, changes, pass, fail } = setUp();
    fail('a', 'b', 'c');
    const pauseMs = circuit.pauseMs();
    expect(pauseMs).toBeGreaterThanOrEqual(750);
    expect(pauseMs).toBeLessThanOrEqual(1_000);

    pass(pauseMs - 1);
    expect(circuit.limit()).toBe(0);
    pass(1);

    expect(circuit.pauseMs()).toBe(0);
    expect(circuit.limit()).toBe(1);
    expect(circuit.state()).toBe('half-open');
    expect(changes).toEqual(['open', 'half-open']);
  });

  it('opens again when as many have failed as opened it, for twice as long each time up to the longest pause', () => {
    const { circuit, pass, fail } = setUp();
    fail('a', 'b', 'c');
    const pauses = [1, 2, 3, 4, 5].map(() => {
      const pauseMs = circuit.pauseMs();
      pass(pauseMs);
      expect(circuit.limit()).toBe(1);
      expect(fail('a', 'b')).toEqual([false, false]);
      expect(circuit.state()).toBe('half-open');
      expect(circuit.limit()).toBe(1);
      expect(fail('c')).toEqual([false]);
      expect(circuit.state()).toBe('open');
      return pauseMs;
    });

    for (const [index, longest] of [1_000, 2_000, 4_000, 4_000, 4_000].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(longest * 0.75);
      expect(pauses[index]).toBeLessThanOrEqual(longest);
    }
  });

  it('lets twice as many through with each success, and closes when as many may run as ever', () => {
    const { circuit, changes, pass, fail, succeed } = setUp();
    fail('a', 'b', 'c');
    pass(1_000);

    const limits = [1, 2, 3].map(() => {
      const limit = circuit.limit();
      succeed();
      return limit;
    });

    expect(limits).toEqual([1, 2, 4]);
    expect(circuit.state()).toBe('closed');
    expect(circuit.limit()).toBe(8);
    expect(circuit.error).toBeUndefined();
    expect(changes).toEqual(['open', 'half-open', 'closed']);
  });

  it('begins with the first pause again after it was closed', () => {
    const { circuit, pass, fail, succeed } = setUp();
    fail('a', 'b', 'c');
    pass(1_000);
    fail('a', 'b', 'c');
    pass(2_000);
    for (let count = 0; count < 3; count += 1) succeed();
    expect(circuit.state()).toBe('closed');

    fail('a', 'b', 'c');

    expect(circuit.pauseMs()).toBeLessThanOrEqual(1_000);
  });

  it('is not kept from closing by one poisonous aggregate once others succeed, whose failures do not count meanwhile', () => {
    const { circuit, pass, fail, succeed } = setUp();
    fail('a', 'b', 'c');
    pass(1_000);
    succeed();

    const counted: boolean[] = [];
    for (let round = 0; circuit.state() === 'half-open' && round < 10; round += 1) {
      counted.push(...fail('poison'));
      succeed();
    }

    expect(circuit.state()).toBe('closed');
    expect(counted).toEqual([false, false]);
    expect(fail('poison')).toEqual([true]);
  });

  it('opens again before it is closed when as many fail in a row as opened it, however many may run', () => {
    const { circuit, pass, fail, succeed } = setUp();
    fail('a', 'b', 'c');
    pass(1_000);
    succeed();
    expect(circuit.limit()).toBe(2);
    expect(fail('a', 'b')).toEqual([false, false]);
    expect(circuit.state()).toBe('half-open');
    expect(fail('c')).toEqual([false]);
    expect(circuit.state()).toBe('open');

    pass(4_000);
    succeed();
    succeed();
    expect(circuit.limit()).toBe(4);
    fail('a', 'b');
    expect(circuit.state()).toBe('half-open');
    fail('c');

    expect(circuit.state()).toBe('open');
  });

  it('heeds no attempt that began before it opened, however it ends', () => {
    const { circuit, pass, fail } = setUp();
    const before = circuit.era();
    fail('a', 'b', 'c');
    expect(circuit.failed(before, 'd', refused)).toBe(false);
    circuit.succeeded(before);
    expect(circuit.state()).toBe('open');

    pass(1_000);
    circuit.succeeded(before);
    expect(circuit.limit()).toBe(1);
    expect(circuit.failed(before, 'd', refused)).toBe(false);

    expect(circuit.state()).toBe('half-open');
  });

  it('closes with its first success where only one may run', () => {
    const { circuit, pass, fail, succeed } = setUp({ concurrency: 1 });
    fail('a', 'b', 'c');
    pass(1_000);
    expect(circuit.state()).toBe('half-open');
    succeed();

    expect(circuit.state()).toBe('closed');
  });
});
