import { ArchiveError, StoreRefusedError, StoreUnavailableError } from '../../errors.ts';

/** What the SDK and the network below it throw, as far as it is looked at. */
interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly status: number | undefined;
}

const TRANSIENT_STATUSES = [408, 425, 429, 500, 502, 503, 504];
const TRANSIENT_NAMES = ['TimeoutError', 'SlowDown', 'InternalError', 'ServiceUnavailable', 'RequestTimeout'];
/** The bytes were altered or cut short between here and the server: it kept nothing. */
const GARBLED = ['BadDigest', 'IncompleteBody', 'XAmzContentSHA256Mismatch'];

const ADVICE: Readonly<Record<string, string>> = {
  AccessDenied: 'the credentials lack a right that the archive needs',
  CredentialsProviderError:
    'no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role',
  InvalidAccessKeyId: 'the access key is not known there: see AWS_ACCESS_KEY_ID, AWS_PROFILE and S3_ENDPOINT',
  InvalidObjectState: 'the object lies in a storage class that has to be restored before it can be read',
  NoSuchBucket: 'the bucket of ARCHIVE_URL does not exist: create it, or correct ARCHIVE_URL or S3_ENDPOINT',
  NotImplemented: 'the server does not know this request; the archive needs conditional writes',
  PermanentRedirect: 'the bucket is in another region: set AWS_REGION',
  RequestTimeTooSkewed: "this machine's clock is wrong",
  SignatureDoesNotMatch: 'the secret key is wrong: see AWS_SECRET_ACCESS_KEY',
};

function read(error: unknown): Failure {
  if (!(error instanceof Error))
    return { name: 'Error', message: String(error), code: undefined, status: undefined };
  const { name, message } = error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const metadata: unknown = '$metadata' in error ? error.$metadata : undefined;
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? Number(metadata.httpStatusCode)
      : undefined;
  return { name, message, code, status };
}

function isTransient({ name, message, status }: Failure): boolean {
  if (TRANSIENT_NAMES.includes(name) || GARBLED.includes(name)) return true;
  if (status !== undefined) return TRANSIENT_STATUSES.includes(status);
  // Without an answer it was the network, unless the SDK had nothing to sign or no place to send it to.
  return name !== 'CredentialsProviderError' && message !== 'Region is missing';
}

/** What the failure of a request means to users of a store. The SDK has tried again by then where that makes sense. */
export function toStoreError(location: string, error: unknown): ArchiveError {
  if (error instanceof ArchiveError) return error;
  const failure = read(error);
  const { name, message, code, status } = failure;
  const said = [...new Set([status, code ?? name, message].map((part) => String(part ?? '')))]
    .filter((part) => !['', 'Unknown', 'UnknownError'].includes(part))
    .join(' ');
  if (isTransient(failure)) {
    return new StoreUnavailableError(`${location} does not answer as it should (${said})`, { cause: error });
  }
  const advice =
    message === 'Region is missing'
      ? 'set AWS_REGION'
      : (ADVICE[name] ?? (status === 403 && ADVICE.AccessDenied));
  return new StoreRefusedError(`${location} refused (${said})${advice ? `: ${advice}` : ''}`, {
    cause: error,
  });
}

/** Whether the store answered with one of these codes. */
export function answered(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof ArchiveError && error.cause instanceof Error && codes.includes(error.cause.name);
}

/** Whether a write has arrived damaged, so that it has to be sent again. The SDK does not do that by itself. */
export function isGarbled(error: unknown): boolean {
  return answered(error, ...GARBLED);
}
