/** One environment variable that does not hold what it should. `problem` never quotes the value. */
export interface ConfigFault {
  readonly variable: string;
  readonly problem: string;
}

/** The environment is not usable: every fault found, each with its variable. The message is for people. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'config_invalid';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const lines = faults.map(({ variable, problem }) => `  ${variable}: ${problem}`);
    const count = faults.length === 1 ? '1 problem' : `${faults.length} problems`;
    super(
      `The configuration has ${count}. Set these environment variables and start again:\n${lines.join('\n')}`,
    );
    this.faults = faults;
  }
}
