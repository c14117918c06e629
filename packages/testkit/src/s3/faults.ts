import type { S3Operation, S3Request } from './protocol.ts';

/** What goes wrong with a request. */
export type S3Fault =
  /** Answered instead of being done. Status 200 with a code is what S3 does when a long operation fails late. */
  | { readonly kind: 'error'; readonly status: number; readonly code: string }
  /** Waits for this before anything is done. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }
  /** The connection breaks while the request arrives; nothing is done. */
  | { readonly kind: 'cut-request' }
  /** One bit of the body is altered on its way to the server. */
  | { readonly kind: 'flip-request-bit' }
  /** It is done, and the connection breaks before anything is answered. */
  | { readonly kind: 'lose-reply' }
  /** The connection breaks after so many bytes of the answer's body. */
  | { readonly kind: 'cut-reply'; readonly afterBytes: number }
  /** The answer's body ends after so many bytes, and its Content-Length says that this is right. */
  | { readonly kind: 'truncate-reply'; readonly toBytes: number }
  /** One bit of the answer's body is altered on its way. */
  | { readonly kind: 'flip-reply-bit' };

/** Which requests a fault hits; by default the next one, whatever it is. */
export interface FaultMatch {
  readonly operation?: S3Operation;
  /** Part of the key. */
  readonly key?: string;
  /** How many of the requests that match; the rest goes through. */
  readonly times?: number;
}

/** A fault that waits for its requests. */
export interface InjectedFault {
  /** How many requests it has hit so far. */
  hits(): number;
  /** Lets everything through from now on. */
  remove(): void;
}

/** The faults of a server, in the order in which they were injected. */
export interface Faults {
  inject(fault: S3Fault, match?: FaultMatch): InjectedFault;
  /** The fault that hits this request, if one does. It is used up by that. */
  take(request: Pick<S3Request, 'operation' | 'key'>): S3Fault | undefined;
}

/** No faults yet. */
export function createFaults(): Faults {
  const waiting: { fault: S3Fault; match: FaultMatch; left: number; hits: number }[] = [];
  return {
    inject(fault, match = {}) {
      const rule = { fault, match, left: match.times ?? 1, hits: 0 };
      waiting.push(rule);
      return {
        hits: () => rule.hits,
        remove() {
          rule.left = 0;
        },
      };
    },
    take({ operation, key }) {
      const rule = waiting.find(
        ({ match, left }) =>
          left > 0 &&
          (match.operation === undefined || match.operation === operation) &&
          (match.key === undefined || key.includes(match.key)),
      );
      if (rule === undefined) return undefined;
      rule.left -= 1;
      rule.hits += 1;
      return rule.fault;
    },
  };
}

/** The same bytes with one bit altered in the middle. */
export function flipBit(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = copy.length >> 1;
  if (copy.length > 0) copy.writeUInt8(copy.readUInt8(middle) ^ 1, middle);
  return copy;
}
