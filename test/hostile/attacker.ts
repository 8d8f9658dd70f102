import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A directory whose token the attacker has. */
export interface Prey {
  readonly host: string;
  readonly port: number;
  /** The path, which ends before `/Users`. */
  readonly basePath: string;
  readonly token: string;
}

const ANSWER_TIMEOUT_MS = 20_000;
const PAUSE_AFTER_REFUSAL_MS = 20;

/** The tools of an attack. */
export class Attacker {
  readonly answers: Record<string, number> = {};
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 256 });
  private readonly sockets = new Set<Socket>();
  stopped = false;

  constructor(readonly prey: Prey) {}

  /** Sends a request and reads its answer; status 0 = there was none. A text goes as it is, anything else as JSON. */
  send(
    method: string,
    path: string,
    body?: unknown,
    token = this.prey.token,
  ): Promise<{ status: number; body: string }> {
    const { host, port, basePath } = this.prey;
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise((resolve) => {
      const answered = (status: number, read: string): void => {
        this.answers[status] = (this.answers[status] ?? 0) + 1;
        resolve({ status, body: read });
      };
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/scim+json',
        ...(text === undefined ? {} : { 'content-length': Buffer.byteLength(text) }),
      };
      const asked = request(
        { host, port, method, path: basePath + path, headers, agent: this.agent, timeout: ANSWER_TIMEOUT_MS },
        (response) => {
          let read = '';
          response
            .setEncoding('utf8')
            .on('data', (part: string) => (read += part))
            .on('close', () => answered(response.statusCode ?? 0, read));
        },
      );
      asked.on('timeout', () => asked.destroy()).on('error', () => answered(0, ''));
      asked.end(text);
    });
  }

  /**
   * The same, again until it is done, as an honest client would when it is told to come later. Throws Refused with any
   * other answer.
   */
  async make(method: string, path: string, body: unknown): Promise<{ readonly id: string }> {
    for (;;) {
      const answer = await this.send(method, path, body);
      if (answer.status === 200 || answer.status === 201) return JSON.parse(answer.body) as { id: string };
      if (answer.status !== 429 && answer.status !== 503) throw new Refused(answer.status, answer.body);
      await delay(PAUSE_AFTER_REFUSAL_MS);
    }
  }

  /** A connection on which bytes are sent and nothing is read; it is closed when the attack ends. */
  async open(bytes: string): Promise<Socket> {
    const socket = connect(this.prey.port, this.prey.host);
    this.sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    socket.pause();
    socket.write(bytes);
    return socket;
  }

  /** The number of connections of `open` that the server has not closed. */
  get openConnections(): number {
    return this.sockets.size;
  }

  /** The lines before a body. */
  head(method: string, path: string, headers: readonly string[] = [], token = this.prey.token): string {
    const { host, port, basePath } = this.prey;
    return [
      `${method} ${basePath}${path} HTTP/1.1`,
      `Host: ${host}:${port}`,
      `Authorization: Bearer ${token}`,
      ...headers,
      '',
      '',
    ].join('\r\n');
  }

  end(): void {
    this.stopped = true;
    for (const socket of this.sockets) socket.destroy();
    this.agent.destroy();
  }
}

export class Refused extends Error {
  constructor(
    readonly status: number,
    body: string,
  ) {
    super(`answered ${status}: ${body.slice(0, 300)}`);
  }
}
