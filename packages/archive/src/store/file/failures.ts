import { ArchiveError, StoreRefusedError, StoreUnavailableError } from '../../errors.ts';

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'this process may not read and write there',
  EPERM: 'this process may not write there, or the file system has no hard links, which the archive needs',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file',
  ENAMETOOLONG: 'the name of a stream is too long for a file system',
  EXDEV: 'the folder of the archive spans several file systems',
};

/** The code of a system error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What a failure of the file system means to users of a store. */
export function toStoreError(location: string, error: unknown): unknown {
  const code = codeOf(error);
  if (error instanceof ArchiveError || code === undefined || !(error instanceof Error)) return error;
  const advice = ADVICE[code];
  return advice === undefined
    ? new StoreUnavailableError(`${location} cannot be used at the moment: ${error.message}`, {
        cause: error,
      })
    : new StoreRefusedError(`${location} refused (${error.message}): ${advice}`, { cause: error });
}
