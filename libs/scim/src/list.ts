import { Rejected } from './error.js';
import { quote } from './json.js';

export const LIST_RESPONSE_URN = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

/**
 * The place of a page: the number of its first resource, from 1; or, paged by cursor (RFC 9865 §2), where the next one
 * begins, if there is one.
 */
export type Place = { readonly startIndex: number } | { readonly nextCursor?: string };

/**
 * A page of a result (RFC 7644 §3.4.2): `totalResults` counts all pages. No hit is a list of nothing, never an error.
 */
export const listResponse = (
  resources: readonly object[],
  totalResults: number,
  place: Place,
  itemsPerPage: number,
): object => ({ schemas: [LIST_RESPONSE_URN], totalResults, ...place, itemsPerPage, Resources: resources });

/** The number of resources on a page when the client names none, and the most. */
export interface PagingLimits {
  readonly defaultCount: number;
  readonly maxCount: number;
}

/**
 * RFC 7644 §3.4.2.4: a startIndex below 1 means 1, a negative count means 0. Throws Rejected(invalidValue) for what is
 * no whole number.
 */
export const parsePaging = (
  startIndex: string | undefined,
  count: string | undefined,
  limits: PagingLimits,
): { startIndex: number; count: number } => ({
  startIndex: Math.max(1, integer('startIndex', startIndex) ?? 1),
  count: Math.min(limits.maxCount, Math.max(0, integer('count', count) ?? limits.defaultCount)),
});

/** An empty parameter is an absent one; 15 digits always fit into a double and into Postgres' bigint. */
export const integer = (
  name: string,
  text: string | undefined,
  code: 'invalidValue' | 'invalidCount' = 'invalidValue',
): number | undefined => {
  if (text === undefined || text === '') return undefined;
  if (!/^-?\d{1,15}$/.test(text)) throw new Rejected(code, `${name} must be a whole number, not ${quote(text)}.`);
  return Number(text);
};
