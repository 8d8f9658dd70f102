import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from '../bench/cycle.js';
import { HttpConnection, NotSent, requestText, type Answer } from '../bench/http-connection.js';

/** An answer that says what happened; `body` is null for 204. */
export interface Answered {
  readonly status: number;
  readonly head: string;
  readonly body: unknown;
}

/** The answer to a request. */
export type Reply =
  | Answered
  /** 503 or a connection that broke: it may have happened. */
  | 'lost'
  /** Nobody listened, or 429: it did not happen. */
  | 'notSent';

/**
 * Commands expire after 10 s at the server, which then answers 503; this is longer, so that a time-out is the
 * exception.
 */
const REQUEST_TIMEOUT_MS = 15_000;
const SUCCESSES: ReadonlySet<number> = new Set([200, 201, 204]);
const REFUSALS: ReadonlySet<number> = new Set([400, 404, 409, 412]);

/** One connection to a SCIM server, which never repeats a request by itself. */
export class ScimConnection {
  private readonly connection: HttpConnection;
  private readonly authority: { readonly authority: string; readonly token: string };
  private readonly basePath: string;

  /** `unexpected` gets every answer that is wrong whatever the state is. */
  constructor(
    target: Target,
    readonly unexpected: (what: string) => void,
  ) {
    this.connection = new HttpConnection(target.host, target.port, REQUEST_TIMEOUT_MS);
    this.authority = { authority: `${target.host}:${target.port}`, token: target.token };
    this.basePath = target.usersPath.replace(/\/Users$/, '');
  }

  /** `path` begins after the base path, with a slash; `headers` are whole lines. */
  async send(method: string, path: string, body?: object, headers = ''): Promise<Reply> {
    const answer = await this.answer(method, this.basePath + path, body && JSON.stringify(body), headers);
    if (typeof answer === 'string') return answer;
    const { status, head } = answer;
    if (SUCCESSES.has(status) || REFUSALS.has(status)) {
      try {
        return { status, head, body: status === 204 ? null : JSON.parse(answer.body) };
      } catch {
        this.unexpected(
          `${method} ${path} was answered ${status} with what is no JSON: ${answer.body.slice(0, 200)} … ${answer.body.slice(-100)}`,
        );
        return 'lost';
      }
    }
    this.check(method, path, answer);
    return status === 429 ? 'notSent' : 'lost';
  }

  /** The body of an answer with 200; null when there was none. Every other answer is unexpected. */
  async read<Body>(path: string): Promise<Body | null> {
    const reply = await this.send('GET', path);
    if (typeof reply === 'string') return null;
    if (reply.status === 200) return reply.body as Body;
    this.unexpected(`GET ${path} was answered ${reply.status}: ${JSON.stringify(reply.body)}`);
    return null;
  }

  close(): void {
    this.connection.close();
  }

  private async answer(
    method: string,
    path: string,
    body: string | undefined,
    headers: string,
  ): Promise<Answer | 'lost' | 'notSent'> {
    try {
      return await this.connection.send(requestText(method, path, this.authority, body, headers));
    } catch (error) {
      return error instanceof NotSent ? 'notSent' : 'lost';
    }
  }

  /**
   * While something is down the answer is 503 with Retry-After, never another 5xx and never a 401 (RFC 9110 §15.6.4).
   */
  private check(method: string, path: string, { status, head, body }: Answer): void {
    if ((status === 503 || status === 429) && /\r\nretry-after: *\d/i.test(head)) return;
    this.unexpected(`${method} ${path} was answered ${status}: ${body.slice(0, 300)}`);
  }
}

export const PAUSE_WHEN_DOWN_MS = 50;
const ATTEMPTS = 200;

/** Repeats until it is answered (null = it was not); nothing is down any more, so that this is soon. */
export const insist = async <Result>(ask: () => Promise<Result | null>): Promise<Result> => {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const result = await ask();
    if (result !== null) return result;
    await delay(PAUSE_WHEN_DOWN_MS);
  }
  throw new Error(`no answer in ${ATTEMPTS} attempts, long after the last fault`);
};

/** Works on all items, each worker on one at a time. */
export const share = async <Worker, Item>(
  workers: readonly Worker[],
  items: readonly Item[],
  work: (worker: Worker, item: Item) => Promise<void>,
): Promise<void> => {
  let next = 0;
  await Promise.all(
    workers.map(async (worker) => {
      while (next < items.length) await work(worker, items[next++]!);
    }),
  );
};
