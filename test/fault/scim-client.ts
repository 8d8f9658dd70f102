import type { Target } from '../bench/cycle.js';
import type { Seen, Write } from './history.js';
import { ScimConnection, type Answered } from './scim-connection.js';

/** A client knows this after a request. */
export type Told =
  | { readonly kind: 'acknowledged'; readonly status: number; readonly seen: Seen | null }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'lost' }
  | { readonly kind: 'notSent' };

export interface Page {
  readonly totalResults: number;
  readonly seen: readonly Seen[];
}

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

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

/** The number of ways to say the same; Entra uses each of them. */
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
  return dialect % 2 === 0
    ? withPaths
    : [{ op: 'replace', value: { displayName: mark, title: mark, [`${ENTERPRISE}:department`]: mark } }];
};

/** One SCIM client of users on one connection that remembers what it was told. */
export class ScimClient {
  private readonly connection: ScimConnection;
  private dialect = 0;

  /** `unexpected` gets every answer that is wrong whatever the state is. */
  constructor(
    target: Target,
    private readonly unexpected: (what: string) => void,
  ) {
    this.connection = new ScimConnection(target, unexpected);
  }

  /** Sends a write about the user with this name; `id` is needed for all but a creation. */
  async write(write: Write, userName: string, id: string | null): Promise<Told> {
    if (write.kind === 'create') {
      const marks = { displayName: write.mark, title: write.mark, [ENTERPRISE]: { department: write.mark } };
      const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User', ENTERPRISE];
      return this.send('POST', '', { schemas, userName, active: true, ...marks });
    }
    if (write.kind === 'delete') return this.send('DELETE', `/${id}`);
    const body = { schemas: [PATCH_OP], Operations: patchOperations(write, this.dialect++) };
    const ifMatch = write.kind === 'patch' && write.ifMatch !== null ? `If-Match: W/"${write.ifMatch}"\r\n` : '';
    return this.send('PATCH', `/${id}`, body, ifMatch);
  }

  get(id: string): Promise<Told> {
    return this.send('GET', `/${id}`);
  }

  /** A page of a listing; null when it got no answer. */
  async list(query: string): Promise<Page | null> {
    const body = await this.connection.read<{ totalResults: number; Resources?: UserBody[] }>(`/Users?${query}`);
    return body && { totalResults: body.totalResults, seen: (body.Resources ?? []).map(seenOf) };
  }

  find(userName: string): Promise<Page | null> {
    return this.list(`filter=${encodeURIComponent(`userName eq "${userName}"`)}`);
  }

  close(): void {
    this.connection.close();
  }

  private async send(method: string, path: string, body?: object, headers = ''): Promise<Told> {
    const reply = await this.connection.send(method, `/Users${path}`, body, headers);
    if (typeof reply === 'string') return { kind: reply };
    const { status } = reply;
    if (status >= 400) return { kind: 'refused', status };
    return { kind: 'acknowledged', status, seen: status === 204 ? null : this.seen(reply) };
  }

  /** An answer with a user: its ETag and its meta.version are the same. */
  private seen({ head, body }: Answered): Seen {
    const seen = seenOf(body as UserBody);
    const etag = /\r\netag: *(.*)/i.exec(head)?.[1];
    if (etag === undefined || versionOf(etag) !== seen.version)
      this.unexpected(`ETag ${etag} with the body ${JSON.stringify(body)}`);
    return seen;
  }
}
