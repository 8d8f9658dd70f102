import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** The answers that came on a connection, one after the other. */
export interface RawAnswer {
  readonly status: number;
  /** Status line and header lines, in lower case. */
  readonly head: string;
  readonly body: string;
}

/** A connection on which a test sends bytes as it likes. Answers are read as they come, unless it does not read. */
export class RawConnection {
  readonly socket: Socket;
  /** Resolves when the server has ended it. */
  readonly ended: Promise<void>;
  private text = '';
  private wake: () => void = () => undefined;

  constructor(port: number, localAddress = '127.0.0.1') {
    this.socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    this.socket.setEncoding('latin1').on('error', () => undefined);
    this.socket.on('data', (chunk: string) => {
      this.text += chunk;
      this.wake();
    });
    this.ended = Promise.race([once(this.socket, 'end'), once(this.socket, 'close')]).then(() => this.wake());
  }

  send(bytes: string): this {
    this.socket.write(bytes, 'latin1');
    return this;
  }

  /** The next answer that has a length. */
  async answer(): Promise<RawAnswer> {
    for (;;) {
      const end = this.text.indexOf('\r\n\r\n');
      if (end >= 0) {
        const head = this.text.slice(0, end).toLowerCase();
        const status = Number(head.slice(9, 12));
        const length = status < 200 ? 0 : Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
        if (this.text.length >= end + 4 + length) {
          const body = this.text.slice(end + 4, end + 4 + length);
          this.text = this.text.slice(end + 4 + length);
          return { status, head, body };
        }
      }
      if (this.socket.readableEnded || this.socket.destroyed)
        throw new Error(`It was closed after: ${this.text.slice(0, 500)}`);
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  close(): void {
    this.socket.destroy();
  }
}

/** The lines before a body. */
export const requestHead = (line: string, token: string | null, headers: readonly string[] = []): string =>
  [
    `${line} HTTP/1.1`,
    'Host: scim.example.org',
    ...(token === null ? [] : [`Authorization: Bearer ${token}`]),
    ...headers,
    '',
    '',
  ].join('\r\n');
