import dns from 'node:dns';

/**
 * Has this process take every name under `.localhost` for 127.0.0.1, as RFC 6761 asks of resolvers and not every
 * system does. Returns how to take that back.
 */
export function resolveLocalhostNames(): () => void {
  const original = dns.lookup;
  const lookup = (hostname: string, ...rest: unknown[]): unknown =>
    Reflect.apply(original, dns, [hostname.endsWith('.localhost') ? '127.0.0.1' : hostname, ...rest]);
  dns.lookup = Object.assign(lookup, original) as typeof dns.lookup;
  return () => {
    dns.lookup = original;
  };
}
