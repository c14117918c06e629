/** Who asks for something, and why. It is on record together with what was done. */
export interface OperatorRequest {
  readonly operator: string;
  readonly reason: string | null;
}
