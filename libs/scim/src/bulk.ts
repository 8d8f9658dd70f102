import { Rejected } from './error.js';
import { isObject, quote } from './json.js';
import { field } from './patch.js';
import { isStored, requireUrns } from './resource.js';
import { findAttribute, GROUP, USER, type ResourceDefinition } from './schema.js';

export const BULK_RESPONSE_URN = 'urn:ietf:params:scim:api:messages:2.0:BulkResponse';

/** References (`bulkId:…`) of one request: 300,000 of them, in 8 MB, kept every other request waiting for a second. A group names as many members. */
export const MAX_BULK_REFERENCES = 20_000;

const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type BulkMethod = (typeof METHODS)[number];

type JsonFields = { readonly [name: string]: unknown };

/** What one operation of a bulk request asks for, as a request of its own would. */
export interface BulkWrite {
  readonly method: BulkMethod;
  readonly definition: ResourceDefinition;
  /** The id of the resource, or `bulkId:…`; null for a POST. */
  readonly target: string | null;
  /** What a single request has in If-Match. */
  readonly version: string | undefined;
  /** The body; of a POST or PUT without read-only attributes. */
  readonly data: unknown;
}

export interface BulkOperation {
  /** Its place in the request, from 0. */
  readonly index: number;
  /** In capitals; undefined when it is no text. */
  readonly method: string | undefined;
  readonly bulkId: string | undefined;
  /** Where its path leads; null = nowhere. */
  readonly place: { readonly definition: ResourceDefinition; readonly target: string | null } | null;
  /** Rejected = what is wrong with it, whatever becomes of the others. */
  readonly write: BulkWrite | Rejected;
}

export interface BulkRequest {
  /** So many errors end the request; null = no number does. */
  readonly failOnErrors: number | null;
  readonly operations: readonly BulkOperation[];
}

/** What is done at a time. */
export interface BulkStep {
  /** They may be sent without waiting for each other, in this order; or they refer to each other in a circle. */
  readonly operations: readonly BulkOperation[];
  readonly isCircle: boolean;
}

/**
 * The body of a bulk request (RFC 7644 §3.7). What is wrong with one operation is its own error, because the others have to be done
 * all the same. Throws Rejected for what is wrong with the whole: invalidSyntax, invalidValue, or tooLarge above `maxOperations` or
 * MAX_BULK_REFERENCES.
 */
export const parseBulk = (body: unknown, maxOperations: number): BulkRequest => {
  if (!isObject(body)) throw new Rejected('invalidSyntax', 'The body must be a JSON object with Operations (RFC 7644 §3.7).');
  requireUrns(field(body, 'schemas'));
  const operations = field(body, 'operations');
  if (!Array.isArray(operations) || operations.length === 0) {
    throw new Rejected('invalidSyntax', 'Operations must be an array with at least one operation (RFC 7644 §3.7).');
  }
  if (operations.length > maxOperations) {
    throw new Rejected('tooLarge', `The bulk request has ${operations.length} operations, which exceeds maxOperations (${maxOperations}): send several.`);
  }
  const parsed = operations.map((operation: unknown, index) => parseOperation(operation, index));
  const references = referencesOfAll(parsed);
  const namings = Map.groupBy(parsed.filter(({ method, bulkId }) => method === 'POST' && bulkId !== undefined), ({ bulkId }) => bulkId!);
  return {
    failOnErrors: parseFailOnErrors(field(body, 'failonerrors')),
    operations: parsed.map((operation) => {
      const fault = operation.write instanceof Rejected ? null : faultAmong(operation, references[operation.index]!, namings);
      return fault ? { ...operation, write: fault } : operation;
    }),
  };
};

/** What each operation refers to. Counted while it is read: throws Rejected(tooLarge) above MAX_BULK_REFERENCES. */
const referencesOfAll = (operations: readonly BulkOperation[]): ReadonlySet<string>[] => {
  let count = 0;
  return operations.map(({ write }) => {
    const found = new Set<string>();
    if (write instanceof Rejected) return found;
    for (const text of textsIn([write.target, write.data])) {
      if (!isReference(text)) continue;
      if (++count > MAX_BULK_REFERENCES) {
        throw new Rejected('tooLarge', `The bulk request refers to bulkIds more than ${MAX_BULK_REFERENCES} times: send several.`);
      }
      found.add(text.slice(PREFIX.length));
    }
    return found;
  });
};

/** "The number of errors that the service provider will accept": who accepts none stops at the first, as who says 1 does. */
const parseFailOnErrors = (value: unknown): number | null => {
  if (value === undefined || value === null) return null;
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new Rejected('invalidValue', 'failOnErrors must be a whole number: after how many errors the rest is left undone.');
  }
  return Math.max(1, value as number);
};

/** What only shows beside the other operations. */
const faultAmong = (
  { method, bulkId }: BulkOperation, references: ReadonlySet<string>, namings: ReadonlyMap<string, readonly BulkOperation[]>,
): Rejected | null => {
  if (method === 'POST' && namings.get(bulkId!)!.length > 1) {
    return new Rejected('invalidValue', `Several operations have the bulkId ${quote(bulkId!)}: it has to be unique within the request.`);
  }
  const unknown = [...references].find((reference) => !namings.has(reference));
  if (unknown === undefined) return null;
  return new Rejected('invalidValue', `There is no POST with the bulkId ${quote(unknown)} in this request, so nothing is ${quote(PREFIX + unknown)}.`);
};

const parseOperation = (operation: unknown, index: number): BulkOperation => {
  if (!isObject(operation)) {
    return { index, method: undefined, bulkId: undefined, place: null, write: new Rejected('invalidSyntax', `Operation ${index + 1} must be an object.`) };
  }
  const [method, bulkId, path] = ['method', 'bulkid', 'path'].map((name) => field(operation, name));
  const known = METHODS.find((name) => typeof method === 'string' && name === method.toUpperCase());
  const place = typeof path === 'string' ? placeOf(path) : new Rejected('invalidValue', `Operation ${index + 1} needs a path, such as /Users.`);
  return {
    index, method: known ?? (typeof method === 'string' ? method : undefined), bulkId: typeof bulkId === 'string' ? bulkId : undefined,
    place: place instanceof Rejected ? null : place,
    write: known ? writeOf(operation, known, place) : new Rejected('invalidSyntax', `The method of operation ${index + 1} must be one of ${METHODS.join(', ')}.`),
  };
};

const writeOf = (operation: JsonFields, method: BulkMethod, place: Exclude<BulkOperation['place'], null> | Rejected): BulkWrite | Rejected => {
  if (place instanceof Rejected) return place;
  const { definition, target } = place;
  const { name, endpoint } = definition;
  if (method === 'POST' && target !== null) return new Rejected('methodNotAllowed', `A POST takes the path ${endpoint}, not that of one ${name}.`);
  if (method !== 'POST' && target === null) return new Rejected('methodNotAllowed', `A ${method} takes the path of one ${name}: ${endpoint}/<id>.`);
  const [bulkId, version, data] = ['bulkid', 'version', 'data'].map((field_) => field(operation, field_) ?? undefined);
  if ((bulkId === undefined && method === 'POST') || (bulkId !== undefined && (typeof bulkId !== 'string' || bulkId === ''))) {
    return new Rejected('invalidValue', 'A POST needs a bulkId: a text of your choice, unique within the request.');
  }
  if (version !== undefined && typeof version !== 'string') return new Rejected('invalidValue', 'version must be the ETag of the resource, such as W/"3".');
  if (method === 'DELETE') return { method, definition, target, version, data: undefined };
  // The example of §3.7.3 has the operations of a PATCH without what is around them.
  const body = method === 'PATCH' && Array.isArray(data) ? { Operations: data } : data;
  if (!isObject(body)) return new Rejected('invalidSyntax', `data must be an object: what the body of the ${method} would be.`);
  return { method, definition, target, version, data: method === 'PATCH' ? body : withoutReadOnly(definition, body) };
};

/** Where a path leads, relative to the root of the service. What a single request would be told of it, this one is. */
const placeOf = (path: string): Exclude<BulkOperation['place'], null> | Rejected => {
  const [, endpoint, target = null, rest] = /^\/?([^/?]*)(?:\/([^/?]+))?(\/[^?]+)?\/?(?:\?.*)?$/s.exec(path) ?? [];
  if (endpoint === 'Bulk') return new Rejected('invalidValue', 'A bulk request cannot hold another one.');
  if (endpoint === 'Me') return new Rejected('notImplemented', `${quote(path)} is not supported.`);
  if (/^(ServiceProviderConfig|ResourceTypes|Schemas)$/.test(endpoint ?? '')) return new Rejected('methodNotAllowed', `${quote(path)} cannot be written.`);
  const definition = [USER, GROUP].find((type) => type.endpoint === `/${endpoint}`);
  if (!definition || rest !== undefined) return new Rejected('notFound', `There is nothing at the path ${quote(path)}: it begins with /Users or /Groups.`);
  return { definition, target: target && decoded(target) };
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** What is ignored anyway must not make a circle: a user that shows its groups, and a group with that user. */
const withoutReadOnly = (definition: ResourceDefinition, data: JsonFields): JsonFields =>
  Object.fromEntries(Object.entries(data).filter(([name]) => {
    const found = findAttribute(definition, name);
    return !found || found.attribute.name === 'schemas' || isStored(found);
  }));

const PREFIX = 'bulkId:';

const isReference = (text: string): boolean => text.startsWith(PREFIX);

/** Every text in a value, and the references in the filters of its paths. */
function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (Array.isArray(value)) for (const element of value as unknown[]) yield* textsIn(element);
  else if (isObject(value)) {
    for (const [name, element] of Object.entries(value)) {
      if (isPath(name, element)) for (const { text } of referencesInPath(element)) yield text;
      for (const { text } of referencesInPath(name)) yield text;
      yield* textsIn(element);
    }
  }
}

/** Of a PATCH: members[value eq "bulkId:u"]. Without a path, the names in its value are paths. */
const isPath = (name: string, value: unknown): value is string => typeof value === 'string' && name.toLowerCase() === 'path';

/** A reference in the filter of a path, and where it stands with its quotes. */
interface PathReference {
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

const ENDS_WORD = /[\s()[\]"]/;

/**
 * The references in the filter of a path: its strings, in either quotes or none, as filter.ts reads them. Read character by character: to
 * take 8 MB of filters apart took 7 s, and it happens several times.
 */
function* referencesInPath(path: string): Generator<PathReference> {
  if (!path.includes(PREFIX)) return;
  let at = path.indexOf('[') + 1;
  while (at > 0 && at < path.length) {
    const from = at++;
    const first = path[from]!;
    if (first === '"' || first === "'") {
      while (at < path.length && (path[at] !== first || (first === "'" && path[at + 1] === "'"))) at += path[at] === '\\' || path[at] === first ? 2 : 1;
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
const referencesOf = (value: unknown): Set<string> => {
  const found = new Set<string>();
  for (const text of textsIn(value)) if (isReference(text)) found.add(text.slice(PREFIX.length));
  return found;
};

/** A value with the ids that its references stand for; one that stands for nothing yet is kept. */
export const resolveValue = (value: unknown, ids: ReadonlyMap<string, string>): unknown => {
  if (typeof value === 'string') return isReference(value) ? (ids.get(value.slice(PREFIX.length)) ?? value) : value;
  if (Array.isArray(value)) return value.map((element: unknown) => resolveValue(element, ids));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, element]) =>
    [resolvePath(name, ids), isPath(name, element) ? resolvePath(element, ids) : resolveValue(element, ids)]));
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

/** The write with the ids that its references stand for; itself when there are none. Throws Rejected(conflict) naming one that stands for nothing. */
export const resolveBulk = (write: BulkWrite, ids: ReadonlyMap<string, string>): BulkWrite => {
  requireResolved(write, (reference) => ids.has(reference));
  if (referencesOf([write.target, write.data]).size === 0) return write;
  return { ...write, target: resolveValue(write.target, ids) as string | null, data: resolveValue(write.data, ids) };
};

const requireResolved = ({ target, data }: BulkWrite, isKnown: (reference: string) => boolean): void => {
  const missing = [...referencesOf({ target, data })].find((reference) => !isKnown(reference));
  if (missing !== undefined) {
    throw new Rejected('conflict', `It refers to ${quote(PREFIX + missing)}, whose operation failed: mend that one and send both again.`);
  }
};

/**
 * A POST of a circle (RFC 7644 §3.7.1): what can be created now, and what has to be added once the rest of the circle has ids: of a list
 * the elements that refer to it, else whole attributes. Throws Rejected(conflict) for a reference out of the circle that stands for nothing.
 */
export const splitBulk = (write: BulkWrite, ids: ReadonlyMap<string, string>, circle: ReadonlySet<string>): { readonly now: BulkWrite; readonly later: JsonFields } => {
  requireResolved(write, (reference) => ids.has(reference) || circle.has(reference));
  const isOpen = (value: unknown): boolean => [...referencesOf(value)].some((reference) => !ids.has(reference));
  const { now, later } = split(write.data as JsonFields, isOpen);
  return { now: { ...write, data: resolveValue(now, ids) }, later };
};

const split = (data: JsonFields, isOpen: (value: unknown) => boolean): { readonly now: JsonFields; readonly later: JsonFields } => {
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

/**
 * The order in which operations are carried out: that of the request, but that one which refers to a POST waits for it, and later writes
 * of the same resource, or of one that it names, wait for both (RFC 7644 §3.7: "the client's intent is preserved"). Up to `maxTogether`
 * of one method and type that stand next to each other and do not wait for each other make one step.
 */
export const orderBulk = (operations: readonly BulkOperation[], maxTogether: number): BulkStep[] => {
  const needs = needsOf(operations);
  const steps: BulkStep[] = [];
  let together: { readonly operations: BulkOperation[]; readonly isCircle: false } | null = null;
  for (const unit of inOrder(needs)) {
    const members = unit.map((index) => operations[index]!);
    const [first] = members as [BulkOperation];
    if (members.length > 1 || needs[first.index]!.has(first.index)) {
      const impossible = circleOfGroups(members);
      steps.push(...(impossible ? impossible.map((operation) => ({ operations: [operation], isCircle: false })) : [{ operations: members, isCircle: true }]));
      together = null;
    } else if (together && together.operations.length < maxTogether && fits(first, together.operations, needs[first.index]!)) {
      together.operations.push(first);
    } else {
      together = { operations: [first], isCircle: false };
      steps.push(together);
    }
  }
  return steps;
};

const fits = (operation: BulkOperation, others: readonly BulkOperation[], needs: ReadonlySet<number>): boolean => {
  const [{ write: before }] = others as [BulkOperation];
  const { write } = operation;
  if (write instanceof Rejected || before instanceof Rejected) return false;
  return write.method === before.method && write.definition === before.definition && others.every(({ index }) => !needs.has(index));
};

/** For each operation those that it waits for. A POST waits for other POSTs only, so that nothing else can stand in a circle. */
const needsOf = (operations: readonly BulkOperation[]): Set<number>[] => {
  const posts = new Map(operations.flatMap(({ method, bulkId, index }) => (method === 'POST' && bulkId !== undefined ? [[bulkId, index] as const] : [])));
  const targets = new Set(operations.flatMap(({ write }) => (write instanceof Rejected || write.target === null ? [] : [keyOf(write.target)])));
  /** Who has written or named a resource since its last write, that write included. */
  const touched = new Map<string, number[]>();
  return operations.map(({ write, index }) => {
    const needs = new Set<number>();
    if (write instanceof Rejected) return needs;
    for (const text of new Set(textsIn([write.target, write.data]))) {
      const post = isReference(text) ? posts.get(text.slice(PREFIX.length)) : undefined;
      if (post !== undefined) needs.add(post);
      const key = keyOf(text);
      if (!targets.has(key) || text === write.target) continue;
      if (touched.has(key)) touched.get(key)!.push(index);
      else touched.set(key, [index]);
    }
    if (write.target !== null) {
      for (const earlier of touched.get(keyOf(write.target)) ?? []) if (earlier !== index) needs.add(earlier);
      touched.set(keyOf(write.target), [index]);
    }
    return needs;
  });
};

/** Ids are compared without their case, bulkIds with it. */
const keyOf = (text: string): string => (isReference(text) ? text : text.toLowerCase());

/** Units in the order of their first operations, each after those that it needs. A circle is one unit. */
const inOrder = (needs: readonly ReadonlySet<number>[]): number[][] => {
  const units = circlesOf(needs);
  const unitOf: number[] = [];
  for (const [unit, members] of units.entries()) for (const index of members) unitOf[index] = unit;
  const waiting = units.map((members, unit) => new Set(members.flatMap((index) => [...needs[index]!].map((need) => unitOf[need]!).filter((need) => need !== unit))));
  const dependents = units.map((): number[] => []);
  for (const [unit, needed] of waiting.entries()) for (const need of needed) dependents[need]!.push(unit);
  const byFirst = (unit: number): number => units[unit]![0]!;
  /** Those that wait for nothing, the first one last. */
  const ready = units.flatMap((_, unit) => (waiting[unit]!.size === 0 ? [unit] : [])).sort((a, b) => byFirst(b) - byFirst(a));
  const order: number[][] = [];
  for (let unit = ready.pop(); unit !== undefined; unit = ready.pop()) {
    order.push(units[unit]!);
    for (const dependent of dependents[unit]!) {
      waiting[dependent]!.delete(unit);
      if (waiting[dependent]!.size > 0) continue;
      const at = ready.findLastIndex((other) => byFirst(other) > byFirst(dependent));
      ready.splice(at + 1, 0, dependent);
    }
  }
  return order;
};

/** Strongly connected components, each in ascending order (Tarjan, without recursion: a chain may be as long as the request). */
const circlesOf = (needs: readonly ReadonlySet<number>[]): number[][] => {
  const found: number[][] = [];
  const numbers: number[] = [];
  const lowest: number[] = [];
  const open = new Set<number>();
  const stack: number[] = [];
  let next = 0;
  const enter = (index: number): { readonly index: number; readonly left: Iterator<number> } => {
    numbers[index] = lowest[index] = next++;
    stack.push(index);
    open.add(index);
    return { index, left: needs[index]!.values() };
  };
  for (const start of needs.keys()) {
    if (numbers[start] !== undefined) continue;
    const path = [enter(start)];
    for (let at = path.at(-1); at; at = path.at(-1)) {
      const { value: need, done } = at.left.next();
      if (!done) {
        if (numbers[need] === undefined) path.push(enter(need));
        else if (open.has(need)) lowest[at.index] = Math.min(lowest[at.index]!, numbers[need]);
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above) lowest[above.index] = Math.min(lowest[above.index]!, lowest[at.index]!);
      if (lowest[at.index] !== numbers[at.index]) continue;
      const circle = stack.splice(stack.lastIndexOf(at.index));
      for (const index of circle) open.delete(index);
      found.push(circle.sort((a, b) => a - b));
    }
  }
  return found;
};

/** Groups that are each other's members cannot be: that is known before anything is tried. Null = the circle is of another kind. */
const circleOfGroups = (operations: readonly BulkOperation[]): BulkOperation[] | null => {
  const circle = new Set(operations.map(({ bulkId }) => bulkId!));
  const isOfMembers = operations.every(({ write }) => {
    if (write instanceof Rejected || write.definition !== GROUP) return false;
    const others = Object.entries(write.data as JsonFields).filter(([name]) => name.toLowerCase() !== 'members');
    return [...referencesOf(others.map(([, value]) => value))].every((reference) => !circle.has(reference));
  });
  if (!isOfMembers) return null;
  const names = [...circle].map((bulkId) => quote(PREFIX + bulkId)).slice(0, 10).join(', ');
  const write = new Rejected('conflict', `The circle of ${names} cannot be resolved: a group would contain itself. Take one of these members out.`);
  return operations.map((operation) => ({ ...operation, write }));
};
