import { connect, type Socket } from 'node:net';

/** One answer. `head` is the status line and the header lines as they came, without the empty line that ends them. */
export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** The request never left this machine (nobody listens): the server cannot have acted on it. */
export class NotSent extends Error {}
/** The request was (perhaps partly) sent and no whole answer came: the server may have acted on it, or not. */
export class NoAnswer extends Error {}

interface Waiter {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CONNECTION_CLOSE = /\r\nconnection: *close/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked *($|\r\n)/i;
const LINE_END = Buffer.from('\r\n');

/**
 * A keep-alive HTTP/1.1 connection (RFC 9112) that carries one request at a time and never repeats one by itself: a
 * fault run must know exactly what it sent, and a load generator that shares two cores with the servers must cost
 * little. CPU of the generator per request at 64 in flight, the Entra cycle with its checks against empty.ts (Node
 * 24.21, AMD EPYC, two cores): this 11.0 µs, undici 8.12 Client.dispatch 13.4 µs, Client.request 17.4 µs; 90,000,
 * 46,000 and 59,000 requests/s. It understands answers with Content-Length, and those that come in chunks (groups with
 * members) as long as they are short.
 */
export class HttpConnection {
  private socket: Socket | undefined;
  private waiter: Waiter | undefined;
  private received: Buffer | undefined;

  constructor(
    private readonly host: string,
    private readonly port: number,
    private readonly timeoutMs: number,
  ) {}

  /**
   * Sends one request, head and body as built by `requestText`, over the open connection or a new one.
   * Rejects with NotSent or NoAnswer; the connection is usable afterwards (the next request connects again).
   */
  send(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.waiter) throw new Error('one request at a time');
      this.waiter = { resolve, reject };
      if (this.socket) this.socket.write(request);
      else this.open(request);
    });
  }

  close(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private open(request: string): void {
    const socket = connect({ host: this.host, port: this.port, noDelay: true });
    let connected = false;
    let reason = 'the server closed the connection';
    this.socket = socket;
    this.received = undefined;
    socket.setTimeout(this.timeoutMs);
    socket.on('connect', () => {
      connected = true;
      socket.write(request);
    });
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('timeout', () => socket.destroy(new Error(`nothing came for ${this.timeoutMs} ms`)));
    socket.on('end', () => socket.destroy());
    socket.on('error', (error) => (reason = error.message));
    socket.on('close', () => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      this.fail(connected ? new NoAnswer(reason) : new NotSent(reason));
    });
  }

  private fail(error: Error): void {
    const waiter = this.waiter;
    this.waiter = undefined;
    waiter?.reject(error);
  }

  private take(chunk: Buffer): void {
    const bytes = this.received ? Buffer.concat([this.received, chunk]) : chunk;
    this.received = bytes;
    const headEnd = bytes.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = bytes.toString('latin1', 0, headEnd);
    const status = Number(head.slice(9, 12));
    const start = headEnd + HEAD_END.length;
    if (CHUNKED.test(head)) {
      const chunked = dechunk(bytes, start);
      if (chunked === 'wrong') return this.drop('chunks that are none');
      return chunked === null
        ? undefined
        : this.answer({ status, head, body: chunked.body }, bytes.length - chunked.end);
    }
    const length = CONTENT_LENGTH.exec(head)?.[1];
    if (length === undefined && status !== 204 && status !== 304)
      return this.drop(`an answer of unknown length: ${head}`);
    const end = start + Number(length ?? 0);
    if (bytes.length >= end)
      this.answer({ status, head, body: bytes.toString('utf8', start, end) }, bytes.length - end);
  }

  private answer(answer: Answer, surplusBytes: number): void {
    if (surplusBytes > 0) return this.drop('more bytes than one answer');
    this.received = undefined;
    if (CONNECTION_CLOSE.test(answer.head)) this.close();
    const waiter = this.waiter;
    this.waiter = undefined;
    waiter?.resolve(answer);
  }

  private drop(reason: string): void {
    this.close();
    this.fail(new NoAnswer(reason));
  }
}

/** A body in chunks (RFC 9112 §7.1) that begins at `start`, and where it ends; null while there is more to come. */
const dechunk = (bytes: Buffer, start: number): { readonly body: string; readonly end: number } | 'wrong' | null => {
  const chunks: Buffer[] = [];
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf(LINE_END, at);
    if (lineEnd < 0) return null;
    const sizeText = bytes.toString('latin1', at, lineEnd);
    if (!/^[0-9a-f]{1,8}$/i.test(sizeText)) return 'wrong';
    const from = lineEnd + LINE_END.length;
    const to = from + Number.parseInt(sizeText, 16);
    if (bytes.length < to + LINE_END.length) return null;
    if (bytes.indexOf(LINE_END, to) !== to) return 'wrong';
    at = to + LINE_END.length;
    if (to === from) return { body: Buffer.concat(chunks).toString('utf8'), end: at };
    chunks.push(bytes.subarray(from, to));
  }
};

/**
 * The bytes of one request to a SCIM server. `path` begins after the base path; `headers` are whole lines, each with
 * its CRLF.
 */
export const requestText = (
  method: string,
  target: string,
  connection: { readonly authority: string; readonly token: string },
  body?: string,
  headers = '',
): string => {
  const start = `${method} ${target} HTTP/1.1\r\nHost: ${connection.authority}\r\nAuthorization: Bearer ${connection.token}\r\n${headers}`;
  return body === undefined
    ? `${start}\r\n`
    : `${start}Content-Type: application/scim+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};
