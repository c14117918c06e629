/** What an operator asks for. It is recorded with the events that it is done to. */
export interface OperatorRequest {
  /** Who asks. */
  readonly operator: string;
  readonly reason: string | null;
  /** To how many letters it is done at most. */
  readonly limit: number;
}

/** Letters that are settled in one transaction. */
export const batchSize = 500;
