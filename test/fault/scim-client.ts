import type { Target } from '../bench/cycle.js';
import { HttpConnection, NotSent, requestText, type Answer } from '../bench/http-connection.js';
import type { Seen, Write } from './history.js';

/** What a client knows after a request. */
export type Told =
  | { readonly kind: 'acknowledged'; readonly status: number; readonly seen: Seen | null }
  | { readonly kind: 'refused'; readonly status: number }
  /** 503 or a connection that broke: it may have happened. */
  | { readonly kind: 'lost' }
  /** Nobody listened, or 429: it did not happen. */
  | { readonly kind: 'notSent' };

export interface Page {
  readonly totalResults: number;
  readonly seen: readonly Seen[];
}

/** Commands expire after 10 s at the server, which then answers 503; this is longer, so that a time-out is the exception. */
const REQUEST_TIMEOUT_MS = 15_000;
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const REFUSALS: ReadonlySet<number> = new Set([400, 404, 409, 412]);

interface UserBody {
  readonly id: string;
  readonly userName: string;
  readonly displayName?: string;
  readonly title?: string;
  readonly active: boolean;
  readonly meta: { readonly version: string };
  readonly [ENTERPRISE]?: { readonly department?: string };
}

const versionOf = (etag: string): number => Number(/^W\/"(\d+)"$/.exec(etag)?.[1] ?? Number.NaN);

const seenOf = (body: UserBody): Seen => ({
  id: body.id,
  userName: body.userName,
  marks: [...new Set([body.displayName ?? '', body.title ?? '', body[ENTERPRISE]?.department ?? ''])],
  active: body.active,
  version: versionOf(body.meta.version),
});

/** How many ways there are to say the same; Entra uses each of them. */
const patchOperations = (write: Write, dialect: number): object[] => {
  if (write.kind === 'activate') {
    const text = write.active ? 'True' : 'False';
    return [
      [{ op: 'Replace', path: 'active', value: text }],
      [{ op: 'replace', value: { active: write.active } }],
      [{ op: 'Replace', path: 'active', value: write.active }],
    ][dialect % 3]!;
  }
  const mark = write.kind === 'delete' ? '' : write.mark;
  const withPaths = [
    { op: 'Replace', path: 'displayName', value: mark },
    { op: 'Add', path: 'title', value: mark },
    { op: 'Replace', path: `${ENTERPRISE}:department`, value: mark },
  ];
  // The last operation is wrong, so that the ones before it would be the trace.
  if (write.kind === 'invalid') return [...withPaths, { op: 'Replace', path: 'userName', value: 42 }];
  return dialect % 2 === 0 ? withPaths : [{ op: 'replace', value: { displayName: mark, title: mark, [`${ENTERPRISE}:department`]: mark } }];
};

/** One SCIM client on one connection that remembers what it was told, and never repeats a request by itself. */
export class ScimClient {
  private readonly connection: HttpConnection;
  private readonly authority: { readonly authority: string; readonly token: string };
  private dialect = 0;

  /** `unexpected` gets every answer that is wrong whatever the state is. */
  constructor(
    private readonly target: Target,
    private readonly unexpected: (what: string) => void,
  ) {
    this.connection = new HttpConnection(target.host, target.port, REQUEST_TIMEOUT_MS);
    this.authority = { authority: `${target.host}:${target.port}`, token: target.token };
  }

  /** Sends a write about the user with this name; `id` is needed for all but a creation. */
  async write(write: Write, userName: string, id: string | null): Promise<Told> {
    if (write.kind === 'create') {
      const marks = { displayName: write.mark, title: write.mark, [ENTERPRISE]: { department: write.mark } };
      const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User', ENTERPRISE];
      return this.send('POST', '', JSON.stringify({ schemas, userName, active: true, ...marks }));
    }
    if (write.kind === 'delete') return this.send('DELETE', `/${id}`);
    const body = JSON.stringify({ schemas: [PATCH_OP], Operations: patchOperations(write, this.dialect++) });
    const ifMatch = write.kind === 'patch' && write.ifMatch !== null ? `If-Match: W/"${write.ifMatch}"\r\n` : '';
    return this.send('PATCH', `/${id}`, body, ifMatch);
  }

  get(id: string): Promise<Told> {
    return this.send('GET', `/${id}`);
  }

  /** A page of a listing; null when it got no answer. */
  async list(query: string): Promise<Page | null> {
    const answer = await this.answer('GET', `?${query}`);
    if (answer === 'lost' || answer === 'notSent' || answer.status !== 200) {
      if (typeof answer === 'object') this.check('GET', query, answer);
      return null;
    }
    const body = JSON.parse(answer.body) as { totalResults: number; Resources?: UserBody[] };
    return { totalResults: body.totalResults, seen: (body.Resources ?? []).map(seenOf) };
  }

  find(userName: string): Promise<Page | null> {
    return this.list(`filter=${encodeURIComponent(`userName eq "${userName}"`)}`);
  }

  close(): void {
    this.connection.close();
  }

  private async send(method: string, path: string, body?: string, headers = ''): Promise<Told> {
    const answer = await this.answer(method, path, body, headers);
    if (answer === 'lost' || answer === 'notSent') return { kind: answer };
    const { status } = answer;
    if (status === 200 || status === 201) return { kind: 'acknowledged', status, seen: this.seen(answer) };
    if (status === 204) return { kind: 'acknowledged', status, seen: null };
    if (REFUSALS.has(status)) return { kind: 'refused', status };
    this.check(method, path, answer);
    return { kind: status === 429 ? 'notSent' : 'lost' };
  }

  private async answer(method: string, path: string, body?: string, headers = ''): Promise<Answer | 'lost' | 'notSent'> {
    try {
      return await this.connection.send(requestText(method, `${this.target.usersPath}${path}`, this.authority, body, headers));
    } catch (error) {
      return error instanceof NotSent ? 'notSent' : 'lost';
    }
  }

  /** An answer with a user: its ETag and its meta.version are the same. */
  private seen(answer: Answer): Seen {
    const seen = seenOf(JSON.parse(answer.body) as UserBody);
    const etag = /\r\netag: *(.*)/i.exec(answer.head)?.[1];
    if (etag === undefined || versionOf(etag) !== seen.version) this.unexpected(`ETag ${etag} with the body ${answer.body}`);
    return seen;
  }

  /** While something is down the answer is 503 with Retry-After, never another 5xx and never a 401 (RFC 9110 §15.6.4). */
  private check(method: string, path: string, { status, head, body }: Answer): void {
    if ((status === 503 || status === 429) && /\r\nretry-after: *\d/i.test(head)) return;
    this.unexpected(`${method} ${path} was answered ${status}: ${body.slice(0, 300)}`);
  }
}
