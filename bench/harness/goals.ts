import { type FigureSummary, formatValue } from './figure.ts';
import type { Goal } from './question.ts';

/** A goal and what became of it. */
export type GoalResult = Goal & {
  readonly figure: string;
  /** In the figure's unit, or as a ratio. */
  readonly reached: number;
  readonly unit: string;
  readonly met: boolean;
};

/** A goal that names something which no run has measured. */
export class GoalUnknownError extends Error {
  readonly code = 'bench_goal_unknown';
}

interface Measured {
  readonly name: string;
  readonly figures: readonly FigureSummary[];
}

/**
 * Judges by the medians.
 * @throws GoalUnknownError
 */
export function judge(goal: Goal, variants: readonly Measured[]): GoalResult {
  const summaryOf = (name: string): FigureSummary => {
    const figures = variants.find((variant) => variant.name === name)?.figures ?? [];
    const found =
      goal.figure === undefined ? figures[0] : figures.find((figure) => figure.name === goal.figure);
    if (found === undefined) {
      throw new GoalUnknownError(`a goal is about ${goal.figure ?? 'a figure'} of "${name}", not measured`);
    }
    return found;
  };
  const { name: figure, unit, median } = summaryOf(goal.variant);
  const reached = goal.over === undefined ? median : median / summaryOf(goal.over).median;
  const met = 'atLeast' in goal ? reached >= goal.atLeast : reached <= goal.atMost;
  return { ...goal, figure, unit, reached, met };
}

/** A goal and what was reached, as a sentence. */
export function toVerdict(goal: GoalResult): string {
  const { variant, figure, over, reached, unit } = goal;
  const bound = 'atLeast' in goal ? `at least ${goal.atLeast}` : `at most ${goal.atMost}`;
  const value =
    over === undefined
      ? `${formatValue(reached)} ${unit}`.trimEnd()
      : `${formatValue(reached)} times that of ${over}`;
  return `${figure} of ${variant} is ${value}; the goal is ${bound}`;
}
