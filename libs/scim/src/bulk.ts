import { Rejected } from './error.js';
import { isObject, quote } from './json.js';
import { field } from './patch.js';
import { isStored, requireUrns } from './resource.js';
import { findAttribute, GROUP, USER, type ResourceDefinition } from './schema.js';

export const BULK_RESPONSE_URN = 'urn:ietf:params:scim:api:messages:2.0:BulkResponse';

/**
 * References (`bulkId:…`) of one request: 300,000 of them, in 8 MB, kept every other request waiting for a second. A
 * group names as many members.
 */
export const MAX_BULK_REFERENCES = 20_000;

/** Stands in the place of the data of an operation that is longer than one request may be. */
export class TooLong {
  constructor(readonly maxBytes: number) {}
}

/** The fault of an operation that is longer than one request may be. */
export const tooLong = (maxBytes: number): Rejected =>
  new Rejected(
    'tooLarge',
    `One operation is longer than ${maxBytes} bytes, the limit of this server (MAX_BODY_BYTES).`,
  );

const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type BulkMethod = (typeof METHODS)[number];

type JsonFields = { readonly [name: string]: unknown };

/** One operation of a bulk request, as a request of its own would ask for it. */
export interface BulkWrite {
  readonly method: BulkMethod;
  readonly definition: ResourceDefinition;
  /** The id of the resource, or `bulkId:…`; null for a POST. */
  readonly target: string | null;
  /** The condition that a single request has in If-Match. */
  readonly version: string | undefined;
  /** The body; of a POST or PUT without read-only attributes. */
  readonly data: unknown;
  /**
   * The texts in target and data that are references (`bulkId:…`), or may be the target of an operation of the request.
   */
  readonly mentions: ReadonlySet<string>;
}

export interface BulkOperation {
  /** Its place in the request, from 0. */
  readonly index: number;
  /** In capitals; undefined when it is no text. */
  readonly method: string | undefined;
  readonly bulkId: string | undefined;
  /** The target of its path; null = none. */
  readonly place: { readonly definition: ResourceDefinition; readonly target: string | null } | null;
  /** Rejected = what is wrong with it, whatever becomes of the others. */
  readonly write: BulkWrite | Rejected;
}

export interface BulkRequest {
  /** So many errors end the request; null = no number does. */
  readonly failOnErrors: number | null;
  readonly operations: readonly BulkOperation[];
}

/**
 * The body of a bulk request (RFC 7644 §3.7). A fault of one operation is its own error, because the others have to be
 * done all the same. Throws Rejected for what is wrong with the whole: invalidSyntax, invalidValue, or tooLarge above
 * `maxOperations` or MAX_BULK_REFERENCES. It yields after each operation, so that something else may be done: together
 * they may take a second.
 */
export function* parseBulk(body: unknown, maxOperations: number): Generator<undefined, BulkRequest> {
  if (!isObject(body))
    throw new Rejected('invalidSyntax', 'The body must be a JSON object with Operations (RFC 7644 §3.7).');
  requireUrns(field(body, 'schemas'));
  const operations = field(body, 'operations');
  if (!Array.isArray(operations) || operations.length === 0) {
    throw new Rejected('invalidSyntax', 'Operations must be an array with at least one operation (RFC 7644 §3.7).');
  }
  requireFewOperations(operations.length, maxOperations);
  const failOnErrors = parseFailOnErrors(field(body, 'failonerrors'));
  const parsed: BulkOperation[] = [];
  for (const operation of operations as unknown[]) {
    parsed.push(parseOperation(operation, parsed.length));
    yield;
  }
  const mentions = mentionsAmong(parsed);
  const namings = Map.groupBy(
    parsed.filter(({ method, bulkId }) => method === 'POST' && bulkId !== undefined),
    ({ bulkId }) => bulkId!,
  );
  for (const [index, operation] of parsed.entries()) {
    const { write } = operation;
    if (write instanceof Rejected) continue;
    const found = { ...write, mentions: mentions(write) };
    parsed[index] = { ...operation, write: faultAmong(operation, referencesAmong(found.mentions), namings) ?? found };
    yield;
  }
  return { failOnErrors, operations: parsed };
}

/** Throws Rejected(tooLarge). */
export const requireFewOperations = (count: number, maxOperations: number): void => {
  if (count > maxOperations)
    throw new Rejected(
      'tooLarge',
      `The bulk request has ${count} operations, which exceeds maxOperations (${maxOperations}): send several.`,
    );
};

/**
 * Finds what each write mentions: each is looked through once, for all that needs to know. References are counted while
 * they are read: throws Rejected(tooLarge) above MAX_BULK_REFERENCES.
 */
const mentionsAmong = (operations: readonly BulkOperation[]): ((write: BulkWrite) => ReadonlySet<string>) => {
  const targets = new Set(
    operations.flatMap(({ write }) =>
      write instanceof Rejected || write.target === null ? [] : [mentionKey(write.target)],
    ),
  );
  // Nearly all texts are longer or shorter than an id: they need no second look.
  const lengths = new Set([...targets].map(({ length }) => length));
  let count = 0;
  return ({ target, data }) => {
    const found = new Set<string>();
    visitTexts([target, data], (text) => {
      const isOne = isReference(text);
      if (isOne && ++count > MAX_BULK_REFERENCES) {
        throw new Rejected(
          'tooLarge',
          `The bulk request refers to bulkIds more than ${MAX_BULK_REFERENCES} times: send several.`,
        );
      }
      if (isOne || (lengths.has(text.length) && targets.has(mentionKey(text)))) found.add(text);
    });
    return found;
  };
};

/**
 * The key that the mention of a resource and its target share: ids are compared without their case, bulkIds with it.
 */
export const mentionKey = (text: string): string => (isReference(text) ? text : text.toLowerCase());

/** The bulkIds among mentions. */
const referencesAmong = (mentions: ReadonlySet<string>): string[] =>
  [...mentions].flatMap((text) => referenceIn(text) ?? []);

/** The bulkId that a text stands for. */
export const referenceIn = (text: string): string | undefined =>
  isReference(text) ? text.slice(PREFIX.length) : undefined;

/**
 * "The number of errors that the service provider will accept": who accepts none stops at the first, as who says 1
 * does.
 */
const parseFailOnErrors = (value: unknown): number | null => {
  if (value === undefined || value === null) return null;
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new Rejected(
      'invalidValue',
      'failOnErrors must be a whole number: after how many errors the rest is left undone.',
    );
  }
  return Math.max(1, value as number);
};

/** Faults that only show beside the other operations. */
const faultAmong = (
  { method, bulkId }: BulkOperation,
  references: readonly string[],
  namings: ReadonlyMap<string, readonly BulkOperation[]>,
): Rejected | null => {
  if (method === 'POST' && namings.get(bulkId!)!.length > 1) {
    return new Rejected(
      'invalidValue',
      `Several operations have the bulkId ${quote(bulkId!)}: it has to be unique within the request.`,
    );
  }
  const unknown = references.find((reference) => !namings.has(reference));
  if (unknown === undefined) return null;
  return new Rejected(
    'invalidValue',
    `There is no POST with the bulkId ${quote(unknown)} in this request, so nothing is ${quote(PREFIX + unknown)}.`,
  );
};

const parseOperation = (operation: unknown, index: number): BulkOperation => {
  if (!isObject(operation)) {
    return {
      index,
      method: undefined,
      bulkId: undefined,
      place: null,
      write: new Rejected('invalidSyntax', `Operation ${index + 1} must be an object.`),
    };
  }
  const [method, bulkId, path] = ['method', 'bulkid', 'path'].map((name) => field(operation, name));
  const known = METHODS.find((name) => typeof method === 'string' && name === method.toUpperCase());
  const place =
    typeof path === 'string'
      ? placeOf(path)
      : new Rejected('invalidValue', `Operation ${index + 1} needs a path, such as /Users.`);
  return {
    index,
    method: known ?? (typeof method === 'string' ? method : undefined),
    bulkId: typeof bulkId === 'string' ? bulkId : undefined,
    place: place instanceof Rejected ? null : place,
    write: known
      ? writeOf(operation, known, place)
      : new Rejected('invalidSyntax', `The method of operation ${index + 1} must be one of ${METHODS.join(', ')}.`),
  };
};

const writeOf = (
  operation: JsonFields,
  method: BulkMethod,
  place: Exclude<BulkOperation['place'], null> | Rejected,
): BulkWrite | Rejected => {
  if (place instanceof Rejected) return place;
  const { definition, target } = place;
  const { name, endpoint } = definition;
  if (method === 'POST' && target !== null)
    return new Rejected('methodNotAllowed', `A POST takes the path ${endpoint}, not that of one ${name}.`);
  if (method !== 'POST' && target === null)
    return new Rejected('methodNotAllowed', `A ${method} takes the path of one ${name}: ${endpoint}/<id>.`);
  const [bulkId, version, data] = ['bulkid', 'version', 'data'].map((field_) => field(operation, field_) ?? undefined);
  if (
    (bulkId === undefined && method === 'POST') ||
    (bulkId !== undefined && (typeof bulkId !== 'string' || bulkId === ''))
  ) {
    return new Rejected('invalidValue', 'A POST needs a bulkId: a text of your choice, unique within the request.');
  }
  if (version !== undefined && typeof version !== 'string')
    return new Rejected('invalidValue', 'version must be the ETag of the resource, such as W/"3".');
  if (data instanceof TooLong) return tooLong(data.maxBytes);
  const mentions: ReadonlySet<string> = new Set();
  if (method === 'DELETE') return { method, definition, target, version, data: undefined, mentions };
  // The example of §3.7.3 has the operations of a PATCH without what is around them.
  const body = method === 'PATCH' && Array.isArray(data) ? { Operations: data } : data;
  if (!isObject(body))
    return new Rejected('invalidSyntax', `data must be an object: what the body of the ${method} would be.`);
  return {
    method,
    definition,
    target,
    version,
    data: method === 'PATCH' ? body : withoutReadOnly(definition, body),
    mentions,
  };
};

/** The target of a path, relative to the root of the service. The errors are those of a single request. */
const placeOf = (path: string): Exclude<BulkOperation['place'], null> | Rejected => {
  const [, endpoint, target = null, rest] = /^\/?([^/?]*)(?:\/([^/?]+))?(\/[^?]+)?\/?(?:\?.*)?$/s.exec(path) ?? [];
  if (endpoint === 'Bulk') return new Rejected('invalidValue', 'A bulk request cannot hold another one.');
  if (endpoint === 'Me') return new Rejected('notImplemented', `${quote(path)} is not supported.`);
  if (/^(ServiceProviderConfig|ResourceTypes|Schemas)$/.test(endpoint ?? ''))
    return new Rejected('methodNotAllowed', `${quote(path)} cannot be written.`);
  const definition = [USER, GROUP].find((type) => type.endpoint === `/${endpoint}`);
  if (!definition || rest !== undefined)
    return new Rejected('notFound', `There is nothing at the path ${quote(path)}: it begins with /Users or /Groups.`);
  return { definition, target: target && decoded(target) };
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/**
 * Attributes that are ignored anyway must not make a circle: a user that shows its groups, and a group with that user.
 */
const withoutReadOnly = (definition: ResourceDefinition, data: JsonFields): JsonFields =>
  Object.fromEntries(
    Object.entries(data).filter(([name]) => {
      const found = findAttribute(definition, name);
      return !found || found.attribute.name === 'schemas' || isStored(found);
    }),
  );

export const PREFIX = 'bulkId:';

const isReference = (text: string): boolean => text.startsWith(PREFIX);

/** Every text in a value, and the references in the filters of its paths. */
const visitTexts = (value: unknown, visit: (text: string) => void): void => {
  if (typeof value === 'string') visit(value);
  else if (Array.isArray(value)) for (const element of value as unknown[]) visitTexts(element, visit);
  else if (isObject(value)) {
    for (const name of Object.keys(value)) {
      const element = value[name];
      if (isPath(name, element)) for (const { text } of referencesInPath(element)) visit(text);
      if (name.includes(PREFIX)) for (const { text } of referencesInPath(name)) visit(text);
      visitTexts(element, visit);
    }
  }
};

/**
 * A path of a PATCH may hold a reference: members[value eq "bulkId:u"]. Without a path, the names in its value are
 * paths.
 */
const isPath = (name: string, value: unknown): value is string =>
  typeof value === 'string' && name.toLowerCase() === 'path';

/** A reference in the filter of a path, and where it stands with its quotes. */
interface PathReference {
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

const ENDS_WORD = /[\s()[\]"]/;

/**
 * The references in the filter of a path: its strings, in either quotes or none, as filter.ts reads them. Read
 * character by character: to take 8 MB of filters apart took 7 s, and it happens several times.
 */
function* referencesInPath(path: string): Generator<PathReference> {
  if (!path.includes(PREFIX)) return;
  let at = path.indexOf('[') + 1;
  while (at > 0 && at < path.length) {
    const from = at++;
    const first = path[from]!;
    if (first === '"' || first === "'") {
      while (at < path.length && (path[at] !== first || (first === "'" && path[at + 1] === "'")))
        at += path[at] === '\\' || path[at] === first ? 2 : 1;
      const isClosed = at++ < path.length;
      const text = isClosed && path.startsWith(PREFIX, from + 1) ? stringOf(path.slice(from, at)) : undefined;
      if (text !== undefined) yield { text, from, to: at };
    } else if (!ENDS_WORD.test(first)) {
      while (at < path.length && !ENDS_WORD.test(path[at]!)) at++;
      if (path.startsWith(PREFIX, from)) yield { text: path.slice(from, at), from, to: at };
    }
  }
}

const stringOf = (quoted: string): string | undefined => {
  const inner = quoted.slice(1, -1);
  if (!inner.includes('\\')) return quoted.startsWith("'") ? inner.replaceAll("''", "'") : inner;
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
};

/** The bulkIds that a value refers to (RFC 7644 §3.7.2). */
export const referencesOf = (value: unknown): Set<string> => {
  const found = new Set<string>();
  visitTexts(value, (text) => {
    const reference = referenceIn(text);
    if (reference !== undefined) found.add(reference);
  });
  return found;
};

/** A value with the ids that its references stand for; one that stands for nothing yet is kept. */
export const resolveValue = (value: unknown, ids: ReadonlyMap<string, string>): unknown => {
  if (typeof value === 'string') return isReference(value) ? (ids.get(value.slice(PREFIX.length)) ?? value) : value;
  if (Array.isArray(value)) return value.map((element: unknown) => resolveValue(element, ids));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, element]) => [
      resolvePath(name, ids),
      isPath(name, element) ? resolvePath(element, ids) : resolveValue(element, ids),
    ]),
  );
};

const resolvePath = (path: string, ids: ReadonlyMap<string, string>): string => {
  let resolved = '';
  let done = 0;
  for (const { text, from, to } of referencesInPath(path)) {
    const id = ids.get(text.slice(PREFIX.length));
    if (id === undefined) continue;
    resolved += `${path.slice(done, from)}${JSON.stringify(id)}`;
    done = to;
  }
  return resolved + path.slice(done);
};

/**
 * The write with the ids that its references stand for; itself when there are none. Throws Rejected(conflict) naming
 * one that stands for nothing.
 */
export const resolveBulk = (write: BulkWrite, ids: ReadonlyMap<string, string>): BulkWrite => {
  const references = requireResolved(write, (reference) => ids.has(reference));
  return references.length === 0
    ? write
    : { ...write, target: resolveValue(write.target, ids) as string | null, data: resolveValue(write.data, ids) };
};

const requireResolved = ({ mentions }: BulkWrite, isKnown: (reference: string) => boolean): readonly string[] => {
  const references = referencesAmong(mentions);
  const missing = references.find((reference) => !isKnown(reference));
  if (missing !== undefined) {
    throw new Rejected(
      'conflict',
      `It refers to ${quote(PREFIX + missing)}, whose operation failed: mend that one and send both again.`,
    );
  }
  return references;
};

/**
 * A POST of a circle (RFC 7644 §3.7.1): what can be created now, and what has to be added once the rest of the circle
 * has ids: of a list the elements that refer to it, else whole attributes. Throws Rejected(conflict) for a reference
 * out of the circle that stands for nothing.
 */
export const splitBulk = (
  write: BulkWrite,
  ids: ReadonlyMap<string, string>,
  circle: ReadonlySet<string>,
): { readonly now: BulkWrite; readonly later: JsonFields } => {
  requireResolved(write, (reference) => ids.has(reference) || circle.has(reference));
  const isOpen = (value: unknown): boolean => [...referencesOf(value)].some((reference) => !ids.has(reference));
  const { now, later } = split(write.data as JsonFields, isOpen);
  return { now: { ...write, data: resolveValue(now, ids) }, later };
};

const split = (
  data: JsonFields,
  isOpen: (value: unknown) => boolean,
): { readonly now: JsonFields; readonly later: JsonFields } => {
  const now: Record<string, unknown> = {};
  const later: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(data)) {
    if (!isOpen(value)) {
      now[name] = value;
    } else if (Array.isArray(value)) {
      now[name] = value.filter((element) => !isOpen(element));
      later[name] = value.filter(isOpen);
    } else if (isObject(value) && /^urn:/i.test(name)) {
      const inner = split(value, isOpen);
      now[name] = inner.now;
      later[name] = inner.later;
    } else {
      later[name] = value;
    }
  }
  return { now, later };
};
