import { type Fragment, fragment } from './fragment.ts';
import { Secret } from './secret.ts';

const unreadable = 'is not a URL; characters such as @ : / ? # % in a password must be percent-encoded';

/** The URL of a PostgreSQL database, as a secret since it carries the password. It is not connected to. */
export function postgresUrl(): Fragment<Secret> {
  return fragment({
    example: 'postgres://user:password@host:5432/database',
    parse: (text) => {
      const url = URL.parse(text);
      if (url === null) return { problem: unreadable };
      if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
        return { problem: 'does not start with postgres:// or postgresql://' };
      }
      if (url.hostname === '' && !url.searchParams.has('host')) return { problem: 'names no host' };
      return { value: new Secret(text) };
    },
  });
}

/** The URL of a Redis server (`redis://`, or `rediss://` for TLS), as a secret. It is not connected to. */
export function redisUrl(): Fragment<Secret> {
  return fragment({
    example: 'redis://user:password@host:6379/0',
    parse: (text) => {
      const url = URL.parse(text);
      if (url === null) return { problem: unreadable };
      if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
        return { problem: 'does not start with redis:// or rediss://' };
      }
      if (url.hostname === '') return { problem: 'names no host' };
      if (!/^\/?\d*$/.test(url.pathname)) return { problem: 'has a path that is not a database number' };
      return { value: new Secret(text) };
    },
  });
}

/** An `http://` or `https://` address, without a slash at its end. */
export function httpUrl(): Fragment<string> {
  return fragment({
    example: 'http://localhost:4318',
    parse: (text) => {
      const url = URL.parse(text);
      if (url === null) return { problem: unreadable };
      if (url.protocol !== 'http:' && url.protocol !== 'https:') {
        return { problem: 'does not start with http:// or https://' };
      }
      return { value: text.replace(/\/+$/, '') };
    },
  });
}
