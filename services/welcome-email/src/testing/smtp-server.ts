import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** A message that the server took. */
export interface ReceivedMail {
  readonly recipients: readonly string[];
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A mail server of one's own. */
export interface SmtpServer {
  readonly url: string;
  readonly mails: readonly ReceivedMail[];
  /** What the server answers to a recipient, in place of "250 ok". */
  refuse(recipient: string, reply: string): void;
  close(): Promise<void>;
}

/** Starts a server that speaks as much SMTP (RFC 5321) as it takes to receive mail, on a free port of 127.0.0.1. */
export async function startSmtpServer(): Promise<SmtpServer> {
  const mails: ReceivedMail[] = [];
  const refusals = new Map<string, string>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => 'the client hung up');
    serve(socket, refusals, (mail) => mails.push(mail));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `smtp://127.0.0.1:${address.port}`,
    mails,
    refuse: (recipient, reply) => refusals.set(recipient, reply),
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

function serve(
  socket: Socket,
  refusals: ReadonlyMap<string, string>,
  receive: (mail: ReceivedMail) => void,
): void {
  let recipients: string[] = [];
  let data: string[] | undefined;
  const reply = (text: string) => socket.write(`${text}\r\n`);

  createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
    if (data !== undefined && line !== '.') {
      data.push(line.replace(/^\./, ''));
      return;
    }
    if (data !== undefined) {
      receive({ recipients, ...parse(data) });
      data = undefined;
      recipients = [];
      reply('250 taken');
      return;
    }
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'RCPT') {
      const recipient = /<(.*)>/.exec(line)?.[1] ?? '';
      if (!refusals.has(recipient)) recipients.push(recipient);
      reply(refusals.get(recipient) ?? '250 ok');
    } else if (verb === 'DATA') {
      data = [];
      reply('354 go on');
    } else if (verb === 'QUIT') {
      socket.end('221 bye\r\n');
    } else {
      reply('250 ok');
    }
  });
  reply('220 ready');
}

function parse(lines: readonly string[]): Pick<ReceivedMail, 'headers' | 'body'> {
  const blank = lines.indexOf('');
  // A header that begins with a space goes on where the line before it stopped.
  const headers = lines.slice(0, blank).join('\n').replaceAll(/\n\s+/g, ' ').split('\n');
  const named = headers.map((header) => {
    const colon = header.indexOf(':');
    return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
  });
  return {
    headers: Object.fromEntries(named) as Record<string, string>,
    body: lines.slice(blank + 1).join('\n'),
  };
}
