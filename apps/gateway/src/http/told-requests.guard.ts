import type { FastifyReply, FastifyRequest } from 'fastify';
import { notesOf, type Described, type FailedOperation } from '#owner';
import { isUuid } from '#runtime';
import type { ScimRequest } from './scim-token.guard.js';

/** The subject of a route. */
interface Noun {
  readonly resourceType: string | null;
  readonly kind: string;
  /** POST /.search reads, too. */
  readonly isSearch: boolean;
}

const BASE = '/api/scim/v2';
const noun = (resourceType: string | null, kind: string, isSearch = false): Noun => ({ resourceType, kind, isSearch });
const ELSEWHERE = noun(null, 'elsewhere');
/** By route below the base path. */
const NOUNS: ReadonlyMap<string, Noun> = new Map([
  ['', noun(null, 'all')],
  ['/.search', noun(null, 'all', true)],
  ['/Users', noun('User', 'Users')],
  ['/Users/.search', noun('User', 'Users', true)],
  ['/Users/:id', noun('User', 'User')],
  ['/Groups', noun('Group', 'Groups')],
  ['/Groups/.search', noun('Group', 'Groups', true)],
  ['/Groups/:id', noun('Group', 'Group')],
  ['/Bulk', noun('Bulk', 'Bulk')],
  ['/Schemas', noun('Schema', 'Schemas')],
  ['/Schemas/:id', noun('Schema', 'Schemas')],
  ['/ResourceTypes', noun('ResourceType', 'ResourceTypes')],
  ['/ResourceTypes/:id', noun('ResourceType', 'ResourceTypes')],
  ['/ServiceProviderConfig', noun('ServiceProviderConfig', 'ServiceProviderConfig')],
]);

const FAILED = Symbol('operations of a bulk request that failed');
type Answered = FastifyRequest & Partial<ScimRequest> & { [FAILED]?: readonly FailedOperation[] };

/** Notes which operations of a bulk request failed: its answer is a success all the same. */
export const noteFailed = (request: FastifyRequest, failed: readonly FailedOperation[]): void => {
  (request as Answered)[FAILED] = failed;
};

/** Says whose a request was and what it was about; null = a dry run, which asks what would be. */
export const describeScim = (
  request: FastifyRequest,
  reply: FastifyReply,
  url: string | undefined,
  payload: unknown,
): Described | null => {
  const { caller, method, body, params, [FAILED]: failed } = request as Answered;
  if (caller && caller.ask !== null) return null;
  const { resourceType, kind, isSearch } = NOUNS.get(url?.slice(BASE.length) ?? '?') ?? ELSEWHERE;
  // Where the path cannot be decoded, there are none.
  const { id } = (params ?? {}) as { readonly id?: string };
  const named = id !== undefined && isUuid(id) ? id.toLowerCase() : null;
  const { effect } = notesOf(request);
  const isRead = method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || isSearch;
  return {
    tenant: caller?.tenant ?? null,
    directory: caller?.directory ?? null,
    actor: caller?.actor ?? null,
    resourceType,
    object: named ?? (reply.statusCode === 201 ? lastOf(reply.getHeader('location')) : null),
    name: isRead ? null : nameIn(body),
    isRead,
    kind,
    seen: !isRead ? null : named !== null && resourceType !== 'Schema' ? named : isList(kind) ? foundIn(payload) : null,
    // Of several operations each has its own.
    ...(effect && resourceType !== 'Bulk' && { effect }),
    ...(failed && { failed }),
    ...(caller?.replay && { again: { ...caller.replay.by, id: caller.replay.id, replayOf: caller.replay.replayOf } }),
  };
};

const isList = (kind: string): boolean => kind === 'Users' || kind === 'Groups';

/** The id at the end of the location of a new resource. */
const lastOf = (location: unknown): string | null => {
  const id = String(location ?? '')
    .split('/')
    .at(-1)!;
  return isUuid(id) ? id : null;
};

/** The name by which a body calls a user or group. */
export const nameIn = (body: unknown): string | null => {
  if (typeof body !== 'object' || body === null) return null;
  const { userName, displayName } = body as { readonly userName?: unknown; readonly displayName?: unknown };
  const name = userName ?? displayName;
  return typeof name === 'string' ? name : null;
};

/** The beginning of a page with the only resource that was found, which begins with its schemas and its id. */
const ONLY =
  /^\{"schemas":\["[^"\]]*"\],"totalResults":1,[^{}]*"Resources":\[\{"schemas":\[[^\]]*\],"id":"([0-9a-f-]{36})"/;

/** The only resource of a list that was found; null = none or several. */
const foundIn = (payload: unknown): string | null =>
  typeof payload === 'string' ? (ONLY.exec(payload)?.[1] ?? null) : null;
