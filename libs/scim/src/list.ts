import { Rejected } from './error.js';

export const LIST_RESPONSE_URN = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

/** RFC 7644 §3.4.2: no hit is a list of nothing, never an error. */
export const listResponse = (resources: readonly object[], totalResults: number, startIndex: number, itemsPerPage: number): object => ({
  schemas: [LIST_RESPONSE_URN], totalResults, startIndex, itemsPerPage, Resources: resources,
});

/** RFC 7644 §3.4.2.4: a startIndex below 1 means 1, a negative count means 0. Throws invalidValue for what is no integer. */
export const parsePaging = (
  startIndex: string | undefined, count: string | undefined,
  limits: { readonly defaultCount: number; readonly maxCount: number },
): { startIndex: number; count: number } => ({
  startIndex: Math.max(1, integer('startIndex', startIndex) ?? 1),
  count: Math.min(limits.maxCount, Math.max(0, integer('count', count) ?? limits.defaultCount)),
});

const integer = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined || text === '') return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw new Rejected('invalidValue', `${name} must be a whole number, not ${JSON.stringify(text)}.`);
  return Number(text);
};
