import { Rejected } from '#scim';

/** Paths of SCIM and the methods that they take, besides HEAD where there is GET, and OPTIONS. */
const METHODS: readonly [RegExp, readonly string[]][] = [
  [/^\/api\/scim\/v2$/, ['GET']],
  [/^\/api\/scim\/v2\/(Users|Groups)$/, ['GET', 'POST']],
  [/^\/api\/scim\/v2(\/Users|\/Groups)?\/\.search$/, ['POST']],
  [/^\/api\/scim\/v2\/(Users|Groups)\/[^/]+$/, ['GET', 'PUT', 'PATCH', 'DELETE']],
  [/^\/api\/scim\/v2\/Bulk$/, ['POST']],
  [/^\/api\/scim\/v2\/(ServiceProviderConfig|(ResourceTypes|Schemas)(\/[^/]*)?)$/, ['GET']],
];
const OTHER_VERSION = /^\/api\/scim\/v(?!2(\/|$))\d/;
const NOT_BUILT = /^\/api\/scim\/v2\/Me(\/|$)/;
/**
 * RFC 7643 §5: how to authenticate can be read without a token. A client that does send one is told when it is wrong,
 * because some clients try a new token here.
 */
export const SERVICE_PROVIDER_CONFIG = '/api/scim/v2/ServiceProviderConfig';

/**
 * The path as the router reads it (startService of libs/runtime). RFC 9112 §3.2.2: a request may name its whole URL.
 */
export const pathOf = (url: string): string => {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  // Nearly all paths are as they should be, and the expressions below cost 1 µs.
  if (path.startsWith('/') && !path.endsWith('/') && !path.includes('//')) return path;
  return path
    .replace(/^https?:\/\/[^/]*/i, '')
    .replace(/\/{2,}/g, '/')
    .replace(/\/$/, '');
};

/**
 * The methods that a path takes; undefined = there is no such path. Throws Rejected where more is known of a path than
 * that it is none.
 */
export const methodsOf = (path: string, method: string): readonly string[] | undefined => {
  if (OTHER_VERSION.test(path)) {
    throw new Rejected('invalidVers', 'This service speaks SCIM 2.0: its base path is /api/scim/v2 (RFC 7644 §3.13).');
  }
  if (NOT_BUILT.test(path)) throw new Rejected('notImplemented', `${method} ${path} is not supported yet.`);
  const [, methods] = METHODS.find(([pattern]) => pattern.test(path)) ?? [];
  return methods && [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'];
};
