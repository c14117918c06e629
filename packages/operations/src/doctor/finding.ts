/** What one check found. */
export interface Finding {
  /** What was looked at: `redis`, `group welcome-email`. */
  readonly check: string;
  /** `warning`: nobody waits yet, or it may be meant. `problem`: events wait, or can be lost. */
  readonly state: 'ok' | 'warning' | 'problem';
  /** A sentence without its full stop. */
  readonly found: string;
  /** What to do; `null` if there is nothing to be done. */
  readonly advice: string | null;
}

/** What a check adds to its findings. */
export interface Report {
  /** Told last: it counts only if there is nothing else to tell. */
  ok(found: string): void;
  warning(found: string, advice: string): void;
  problem(found: string, advice: string): void;
}

/** Collects what one check finds. */
export function reportTo(findings: Finding[], check: string): Report {
  const add = (state: Finding['state'], found: string, advice: string | null) =>
    void findings.push({ check, state, found, advice });
  return {
    ok: (found) => {
      if (!findings.some((finding) => finding.check === check)) add('ok', found, null);
    },
    warning: (found, advice) => add('warning', found, advice),
    problem: (found, advice) => add('problem', found, advice),
  };
}

const noticeable = 5_000;
const dangerous = 3_600_000;

/** Compares a clock with this machine's. Pruning bears two hours, and latencies and ages are off by as much. */
export function checkClock(report: Report, aheadMs: number): void {
  const off = Math.abs(aheadMs);
  if (off < noticeable) return;
  const found = `its clock is ${Math.round(off / 1_000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the clock here`;
  const advice = 'synchronize the clocks (NTP): times, ages and windows are off by as much';
  if (off < dangerous) report.warning(found, advice);
  else report.problem(found, advice);
}
