import type { FastifyReply, FastifyRequest } from 'fastify';
import { notesOf, type Described } from '#owner';
import { isUuid } from '#runtime';
import type { KeyedRequest } from './api-key.guard.js';
import { AUDIT_BASE_PATH, BASE_PATH } from './version.js';

type Members = Readonly<Record<string, unknown>>;

/** Says whose a request was and what it was about. */
export const describeAdmin = (
  request: FastifyRequest,
  reply: FastifyReply,
  url: string | undefined,
  payload: unknown,
): Described => {
  const { key, method, params, query, body } = request as FastifyRequest & Partial<KeyedRequest>;
  const noun = nounIn(url);
  const object = idIn(params, 'id') ?? (reply.statusCode === 201 ? idIn(made(payload), 'id') : null);
  const tenant = notesOf(request).tenant ?? key?.tenant ?? idIn(query, 'tenant') ?? idIn(body, 'tenant');
  return {
    // Only somebody with a key may say whose it is.
    tenant: key ? tenant : null,
    directory: noun === 'directories' ? object : null,
    actor: key?.actor ?? null,
    resourceType: noun,
    object,
    name: nameIn(body),
    isRead: method === 'GET' || method === 'HEAD' || method === 'OPTIONS',
    kind: noun ?? 'elsewhere',
    seen: null,
  };
};

/** The noun of a route; null = the path leads nowhere. */
const nounIn = (url: string | undefined): string | null => {
  if (url?.startsWith(`${AUDIT_BASE_PATH}/`)) return 'audit';
  return url?.startsWith(`${BASE_PATH}/`) ? url.slice(BASE_PATH.length + 1).split('/', 1)[0]! : null;
};

const membersOf = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};

const idIn = (value: unknown, name: string): string | null => {
  const id = membersOf(value)[name];
  return typeof id === 'string' && isUuid(id) ? id.toLowerCase() : null;
};

const nameIn = (body: unknown): string | null => {
  const { userName, displayName, name } = membersOf(body);
  const found = userName ?? displayName ?? name;
  return typeof found === 'string' ? found : null;
};

const made = (payload: unknown): unknown => {
  try {
    return JSON.parse(String(payload));
  } catch {
    return null;
  }
};
