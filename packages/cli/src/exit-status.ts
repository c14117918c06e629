/** Sets the exit status of an end that is no error, but not what was asked for either. */
export type SetStatus = (status: number) => void;
