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

/** A list as a client asks for it (RFC 7644 §3.4.2). */
export interface Search {
  readonly filter: Filter | null;
  readonly sort: Sort | null;
  readonly selection: Selection | undefined;
  /** From 1. */
  readonly startIndex: number;
  readonly count: number;
  /** null = paged by startIndex: so is a list for which the client names neither (RFC 9865 §2.4). */
  readonly cursor: CursorRequest | null;
}

type Parameters = { readonly [name: string]: unknown };

/** Parameters by their names in any case; null is an absent one. Each reader throws Rejected for another type. */
class ParameterReader {
  private readonly given: ReadonlyMap<string, unknown>;

  constructor(parameters: Parameters) {
    this.given = new Map(Object.entries(parameters).map(([name, value]) => [name.toLowerCase(), value]));
  }

  text(name: string, code: RejectionCode = 'invalidValue'): string | undefined {
    const value = this.read(name);
    if (value === undefined || typeof value === 'string') return value;
    throw new Rejected(code, `${name} must be one string.`);
  }

  number(name: string, code?: RejectionCode): string | undefined {
    const value = this.read(name);
    return typeof value === 'number' ? String(value) : this.text(name, code);
  }

  /** A list, a parameter that is there more than once, or names with commas between them. */
  names(name: string): string | undefined {
    const value = this.read(name);
    if (!Array.isArray(value)) return this.text(name);
    if (value.every((element) => typeof element === 'string')) return value.join(',');
    throw new Rejected('invalidValue', `${name} must be a list of names of attributes.`);
  }

  private read(name: string): unknown {
    return this.given.get(name.toLowerCase()) ?? undefined;
  }
}

/** Reads what a request for one resource wants to see of it (RFC 7644 §3.9). Throws Rejected(invalidValue). */
export const parseShown = (definition: ResourceDefinition, parameters: Parameters): Selection | undefined =>
  selectionOf(definition, new ParameterReader(parameters));

const selectionOf = (definition: ResourceDefinition, reader: ParameterReader): Selection | undefined =>
  parseSelection(definition, reader.names('attributes'), reader.names('excludedAttributes'));

/** The parameters of a GET. Throws Rejected: invalidFilter, invalidValue, invalidCursor or invalidCount. */
export const parseSearch = (definition: ResourceDefinition, parameters: Parameters, limits: PagingLimits): Search => {
  const reader = new ParameterReader(parameters);
  const filter = reader.text('filter');
  const cursor = reader.text('cursor', 'invalidCursor');
  const paging = (): Pick<Search, 'startIndex' | 'count' | 'cursor'> => {
    if (cursor === undefined)
      return { ...parsePaging(reader.number('startIndex'), reader.number('count'), limits), cursor: null };
    const asked = JSON.stringify([
      filter ?? null,
      reader.text('sortBy') || null,
      reader.text('sortOrder')?.toLowerCase() || 'ascending',
    ]);
    return parseCursor(
      cursor,
      asked,
      reader.number('startIndex', 'invalidCursor'),
      reader.number('count', 'invalidCount'),
      limits,
    );
  };
  return {
    filter: filter === undefined ? null : parseFilter(definition, filter),
    sort: parseSort(definition, reader.text('sortBy'), reader.text('sortOrder')),
    selection: selectionOf(definition, reader),
    ...paging(),
  };
};

/** The body of a POST to /.search (RFC 7644 §3.4.3). Throws Rejected: invalidSyntax, and what parseSearch throws. */
export const parseSearchRequest = (definition: ResourceDefinition, body: unknown, limits: PagingLimits): Search => {
  if (!isObject(body))
    throw new Rejected('invalidSyntax', 'The body must be a JSON object: a SearchRequest (RFC 7644 §3.4.3).');
  requireUrns(body.schemas);
  return parseSearch(definition, body, limits);
};

const parseSort = (
  definition: ResourceDefinition,
  sortBy: string | undefined,
  sortOrder: string | undefined,
): Sort | null => {
  const order = sortOrder?.toLowerCase() || 'ascending';
  if (order !== 'ascending' && order !== 'descending') {
    throw new Rejected('invalidValue', `sortOrder must be ascending or descending, not ${quote(sortOrder!)}.`);
  }
  if (!sortBy) return null;
  const path = findPath(definition, sortBy);
  if (!path || path.attribute.returned === 'never')
    throw new Rejected('invalidValue', `There is no attribute ${quote(sortBy)} to sort by.`);
  return { path: simplePath(path), descending: order === 'descending' };
};

/**
 * RFC 7644 §3.4.2.3: of a complex attribute a part must be named. `emails` means `emails.value`, as it does in a
 * filter.
 */
const simplePath = (path: AttributePath): AttributePath => {
  if (path.subAttribute || path.attribute.type !== 'complex') return path;
  const subAttribute = findSubAttribute(path.attribute, 'value');
  if (subAttribute) return { ...path, subAttribute };
  throw new Rejected(
    'invalidValue',
    `${path.attribute.name} has no value of its own to sort by: name one of its parts.`,
  );
};
