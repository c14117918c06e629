/** A piece of text in a file of the workspace, and what stands there instead. */
export interface Edit {
  /** From the root of the workspace. */
  readonly file: string;
  /** Occurs in it exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A cure that is taken out, and the tests that must notice. */
export interface Mutation {
  readonly name: string;
  /** What is wrong now, in a few words. */
  readonly harm: string;
  readonly edits: readonly Edit[];
  /** Test files, from the root of the workspace. At least one test in them must fail. */
  readonly tests: readonly string[];
  /** A regular expression for the titles of the tests to run, where the files hold many that have no say in it. */
  readonly only?: string;
}
