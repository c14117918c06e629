/** The last spans did not reach the collector before the process ended. The process itself is not affected. */
export class TelemetryFlushError extends Error {
  override readonly name = 'TelemetryFlushError';
  readonly code = 'telemetry_flush_failed';
  readonly endpoint: string;

  constructor(endpoint: string, reason: string, options?: ErrorOptions) {
    super(`The last spans could not be sent to ${endpoint}: ${reason}. Is the collector reachable?`, options);
    this.endpoint = endpoint;
  }
}
