import { parseCursor, type CursorRequest } from './cursor.js';
import { Rejected, type RejectionCode } from './error.js';
import { parseFilter, type Filter } from './filter.js';
import { isObject, quote } from './json.js';
import { parsePaging, type PagingLimits } from './list.js';
import { requireUrns } from './resource.js';
import { findPath, findSubAttribute, type AttributePath, type ResourceDefinition } from './schema.js';
import { parseSelection, type Selection } from './selection.js';

/** By what a list is ordered (RFC 7644 §3.4.2.3): a path to simple values. */
export interface Sort {
  readonly path: AttributePath;
  readonly descending: boolean;
}

/** What a client asks for with a list (RFC 7644 §3.4.2). */
export interface Search {
  readonly filter: Filter | null;
  readonly sort: Sort | null;
  readonly selection: Selection | undefined;
  /** From 1. */
  readonly startIndex: number;
  readonly count: number;
  /** null = paged by startIndex: the way of whoever names neither (RFC 9865 §2.4). */
  readonly cursor: CursorRequest | null;
}

type Parameters = { readonly [name: string]: unknown };

/** The parameters of a GET. Throws Rejected: invalidFilter, invalidValue, invalidCursor or invalidCount. */
export const parseSearch = (definition: ResourceDefinition, parameters: Parameters, limits: PagingLimits): Search => {
  const given = new Map(Object.entries(parameters).map(([name, value]) => [name.toLowerCase(), value]));
  const read = (name: string): unknown => given.get(name.toLowerCase()) ?? undefined;
  const text = (name: string, code: RejectionCode = 'invalidValue'): string | undefined => {
    const value = read(name);
    if (value === undefined || typeof value === 'string') return value;
    throw new Rejected(code, `${name} must be one string.`);
  };
  const number = (name: string, code?: RejectionCode): string | undefined => {
    const value = read(name);
    return typeof value === 'number' ? String(value) : text(name, code);
  };
  const names = (name: string): string | undefined => {
    const value = read(name);
    if (!Array.isArray(value)) return text(name);
    if (value.every((element) => typeof element === 'string')) return value.join(',');
    throw new Rejected('invalidValue', `${name} must be a list of names of attributes.`);
  };
  const filter = text('filter');
  const cursor = text('cursor', 'invalidCursor');
  const paging = (): Pick<Search, 'startIndex' | 'count' | 'cursor'> => {
    if (cursor === undefined) return { ...parsePaging(number('startIndex'), number('count'), limits), cursor: null };
    const asked = JSON.stringify([filter ?? null, text('sortBy') || null, text('sortOrder')?.toLowerCase() || 'ascending']);
    return parseCursor(cursor, asked, number('startIndex', 'invalidCursor'), number('count', 'invalidCount'), limits);
  };
  return {
    filter: filter === undefined ? null : parseFilter(definition, filter),
    sort: parseSort(definition, text('sortBy'), text('sortOrder')),
    selection: parseSelection(definition, names('attributes'), names('excludedAttributes')),
    ...paging(),
  };
};

/** The body of a POST to /.search (RFC 7644 §3.4.3). Throws Rejected: invalidSyntax, and what parseSearch throws. */
export const parseSearchRequest = (definition: ResourceDefinition, body: unknown, limits: PagingLimits): Search => {
  if (!isObject(body)) throw new Rejected('invalidSyntax', 'The body must be a JSON object: a SearchRequest (RFC 7644 §3.4.3).');
  requireUrns(body.schemas);
  return parseSearch(definition, body, limits);
};

const parseSort = (definition: ResourceDefinition, sortBy: string | undefined, sortOrder: string | undefined): Sort | null => {
  const order = sortOrder?.toLowerCase() || 'ascending';
  if (order !== 'ascending' && order !== 'descending') {
    throw new Rejected('invalidValue', `sortOrder must be ascending or descending, not ${quote(sortOrder!)}.`);
  }
  if (!sortBy) return null;
  const path = findPath(definition, sortBy);
  if (!path || path.attribute.returned === 'never') throw new Rejected('invalidValue', `There is no attribute ${quote(sortBy)} to sort by.`);
  return { path: simplePath(path), descending: order === 'descending' };
};

/** RFC 7644 §3.4.2.3: of a complex attribute a part must be named. `emails` means `emails.value`, as it does in a filter. */
const simplePath = (path: AttributePath): AttributePath => {
  if (path.subAttribute || path.attribute.type !== 'complex') return path;
  const subAttribute = findSubAttribute(path.attribute, 'value');
  if (subAttribute) return { ...path, subAttribute };
  throw new Rejected('invalidValue', `${path.attribute.name} has no value of its own to sort by: name one of its parts.`);
};
