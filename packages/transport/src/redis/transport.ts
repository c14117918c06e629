import { TransportClosedError } from '../errors.ts';
import type { EventTransport } from '../transport.ts';
import { type Connection, type ConnectionSettings, openConnection } from './connection.ts';
import { createRedisMover } from './mover.ts';
import { createRedisObserver } from './observer.ts';
import { createRedisReader } from './reader.ts';
import { loadScripts } from './scripts.ts';
import { createRedisTrimmer } from './trimmer.ts';
import { createRedisWriter } from './writer.ts';

/** Where the server is and how patient to be with it. */
export interface RedisTransportOptions {
  /** `redis://` or `rediss://`, with credentials and database number if need be. */
  readonly url: string;
  /** How long a call waits for a connection, and after that for the reply (in addition to what it blocks). */
  readonly commandTimeoutMs?: number;
  /** How long connecting may take, and again the greeting. */
  readonly connectTimeoutMs?: number;
  /** Told of every failed attempt to connect and every lost connection. Reconnecting goes on by itself. */
  readonly onError?: (error: Error) => void;
}

/**
 * Redis Streams. Opens connections as parts are asked for: a writer has one, a reader and an observer two each.
 * They reconnect for ever. A call ends within its blocking time plus twice `commandTimeoutMs`, whatever the server does.
 * Servers from 6.2 on; the server must run with `maxmemory-policy noeviction`, which is not checked here.
 */
export function createRedisTransport(options: RedisTransportOptions): EventTransport {
  const settings: ConnectionSettings = {
    url: options.url,
    commandTimeoutMs: options.commandTimeoutMs ?? 5_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    onError: options.onError ?? (() => 'the calls that fail say so themselves'),
  };
  const run = loadScripts();
  const connections = new Set<Connection>();
  let closed = false;

  function open(role: string): Connection {
    if (closed) throw new TransportClosedError('the transport was closed by this process');
    const connection = openConnection(role, settings);
    connections.add(connection);
    const close = async () => {
      await connection.close();
      connections.delete(connection);
    };
    return { ...connection, close };
  }

  return {
    writer: () => createRedisWriter(open('writer'), run),
    reader: () => createRedisReader(open('reader'), open('blocking-reader'), run),
    mover: () => createRedisMover(open('mover'), run),
    observer: () => createRedisObserver(open('observer'), open('follower'), run),
    trimmer: () => createRedisTrimmer(open('trimmer'), run),
    async close() {
      closed = true;
      await Promise.all([...connections].map((connection) => connection.close()));
    },
  };
}
