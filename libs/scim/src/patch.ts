import { Rejected } from './error.js';
import { findPath, matchesValue, parseValueFilter, type AttributePath, type Filter } from './filter.js';
import { isEqual, isObject, parseValue, requireAttributes, type Json, type Resource } from './resource.js';
import { findAttribute, findSchema, findSubAttribute, type Attribute, type ResourceDefinition } from './schema.js';

export const MAX_PATCH_OPERATIONS = 1_000;

/**
 * One change, normalised: what travels in a command. `path` is canonical text (`emails[type eq "work"].value`,
 * `urn:…:User:manager`); `value` is what the client sent.
 */
export interface PatchOperation {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string;
  readonly value?: Json;
}

/** Where an operation points: an attribute, perhaps those of its values that a filter picks, perhaps one of their parts. */
interface Target {
  readonly path: AttributePath;
  readonly filter: Filter | null;
  readonly sub: Attribute | null;
}

/** RFC 7644 §3.5.2. Both of Entra's dialects and the RFC's own. Throws invalidSyntax, invalidPath or invalidValue. */
export const parsePatch = (definition: ResourceDefinition, body: unknown): { operations: PatchOperation[]; ignored: string[] } => {
  if (!isObject(body)) throw new Rejected('invalidSyntax', 'The body must be a JSON object with Operations (RFC 7644 §3.5.2).');
  const list = Object.entries(body).find(([key]) => key.toLowerCase() === 'operations')?.[1];
  if (!Array.isArray(list) || list.length === 0) throw new Rejected('invalidSyntax', 'Operations must be an array with at least one operation.');
  if (list.length > MAX_PATCH_OPERATIONS) throw new Rejected('invalidValue', `Operations holds ${list.length}; the limit is ${MAX_PATCH_OPERATIONS}.`);
  const operations: PatchOperation[] = [];
  const ignored: string[] = [];
  for (const [index, entry] of list.entries()) {
    if (!isObject(entry)) throw new Rejected('invalidSyntax', `Operation ${index + 1} must be an object.`);
    const field = (name: string): unknown => Object.entries(entry).find(([key]) => key.toLowerCase() === name)?.[1];
    const op = typeof field('op') === 'string' ? (field('op') as string).toLowerCase() : '';
    if (op !== 'add' && op !== 'replace' && op !== 'remove') {
      throw new Rejected('invalidSyntax', `The op of operation ${index + 1} must be add, replace or remove.`);
    }
    const path = field('path');
    const value = field('value') as Json | undefined;
    if (path !== undefined && path !== null && typeof path !== 'string') throw new Rejected('invalidPath', `The path of operation ${index + 1} must be a string.`);
    if (typeof path === 'string' && path.trim() !== '') {
      addOperation(definition, operations, ignored, op, path.trim(), value, true);
    } else if (op === 'remove') {
      throw new Rejected('noTarget', 'A remove needs a path (RFC 7644 §3.5.2.2).');
    } else {
      if (!isObject(value)) throw new Rejected('invalidValue', `Operation ${index + 1} has no path, so its value must be an object.`);
      for (const [name, element] of Object.entries(value as Resource)) addOperation(definition, operations, ignored, op, name, element, false);
    }
  }
  return { operations, ignored };
};

const addOperation = (
  definition: ResourceDefinition, operations: PatchOperation[], ignored: string[], op: PatchOperation['op'], path: string,
  value: Json | undefined, strict: boolean,
): void => {
  if (path.toLowerCase() === 'schemas') return;
  const schema = findSchema(definition, path);
  if (schema) {
    if (op === 'remove' || value === null) {
      for (const { attribute } of schema.attributes.values()) if (schema.extension) operations.push({ op: 'remove', path: `${schema.id}:${attribute.name}` });
      return;
    }
    if (!isObject(value)) throw new Rejected('invalidValue', `${path} must be an object.`);
    for (const [name, element] of Object.entries(value as Resource)) addOperation(definition, operations, ignored, op, `${schema.id}:${name}`, element, false);
    return;
  }
  const target = findTarget(definition, path);
  if (!target) {
    if (strict && !/^[A-Za-z_$][\w$-]*(\.[A-Za-z_$][\w$-]*)?$|^urn:[\w.:-]+$/i.test(path)) throw new Rejected('invalidPath', `The path "${path}" cannot be read.`);
    ignored.push(path);
    return;
  }
  if (target.path.attribute.mutability === 'writeOnly') return;
  if (op !== 'remove' && value === undefined) throw new Rejected('invalidValue', `The ${op} of ${path} has no value.`);
  const leaf = target.sub ?? target.path.attribute;
  if (value === null && leaf.type === 'boolean' && leaf.name === 'active') throw new Rejected('invalidValue', 'active must be true or false, not null.');
  // The wrong type is the client's fault, whatever the state of the resource: it is told here.
  if (op !== 'remove' && value !== null && leaf.mutability !== 'readOnly') parsedValue(target, value!, path, ignored);
  operations.push(value === null ? { op: 'remove', path } : { op, path, ...(value === undefined ? {} : { value }) });
};

const findTarget = (definition: ResourceDefinition, text: string): Target | undefined => {
  const open = text.indexOf('[');
  if (open < 0) {
    const path = findPath(definition, text);
    return path && { path: { attribute: path.attribute, schema: path.schema, extension: path.extension }, filter: null, sub: path.subAttribute ?? null };
  }
  const close = text.lastIndexOf(']');
  const rest = text.slice(close + 1);
  const found = findAttribute(definition, text.slice(0, open).trim());
  if (close < open || (rest !== '' && !rest.startsWith('.'))) throw new Rejected('invalidPath', `The path "${text}" cannot be read.`);
  if (!found) return undefined;
  if (!found.attribute.multiValued || found.attribute.type !== 'complex') throw new Rejected('invalidPath', `${found.attribute.name} has no values to filter in "${text}".`);
  let filter: Filter;
  try {
    filter = parseValueFilter(definition, found, text.slice(open + 1, close));
  } catch (error) {
    if (error instanceof Rejected) throw new Rejected('invalidPath', `${error.detail} In the path "${text}".`);
    throw error;
  }
  const sub = rest === '' ? null : findSubAttribute(found.attribute, rest.slice(1));
  if (sub === undefined) throw new Rejected('invalidPath', `${found.attribute.name} has no sub-attribute "${rest.slice(1)}".`);
  return { path: found, filter, sub };
};

/** The value in its stored form; undefined = there is none. A single value for a multi-valued attribute is a list of one. */
const parsedValue = ({ path, filter, sub }: Target, value: Json, text: string, ignored: string[] = []): Json | undefined => {
  if (sub) return parseValue(sub, value, text, ignored);
  if (!path.attribute.multiValued) return parseValue(path.attribute, value, text, ignored);
  if (filter) {
    // emails[type eq "work"] takes one element; Entra also sends it as a list of one, or as the bare value.
    const single = Array.isArray(value) && value.length === 1 ? (value[0] as Json) : value;
    return parseValue(path.attribute, isObject(single) || Array.isArray(single) ? single : { value: single }, text, ignored, true);
  }
  const list = (Array.isArray(value) ? value : [value]) as readonly Json[];
  const elements = path.attribute.type === 'complex' ? list.map((element) => (typeof element === 'string' ? { value: element } : element)) : list;
  return parseValue(path.attribute, elements, text, ignored);
};

/** Applies all operations or none. Never changes its input. Throws Rejected. */
export const applyPatch = (
  definition: ResourceDefinition, resource: Resource, operations: readonly PatchOperation[], context: { readonly id: string },
): Resource => {
  let result = resource;
  for (const operation of operations) {
    const target = findTarget(definition, operation.path);
    if (!target) throw new Rejected('invalidPath', `There is no attribute "${operation.path}".`);
    if (isReadOnly(target)) {
      requireSame(target, operation, context);
      continue;
    }
    const { path } = target;
    const holder = path.extension ? ((result[path.schema] ?? {}) as Resource) : result;
    const before = holder[path.attribute.name];
    const after = changed(target, operation, before);
    if (isEqual(before, after)) continue;
    const next = withValue(holder, path.attribute.name, after);
    result = path.extension ? withValue(result, path.schema, Object.keys(next).length === 0 ? undefined : next) : next;
  }
  requireAttributes(definition, result);
  return result;
};

const isReadOnly = ({ path, sub }: Target): boolean => path.attribute.mutability === 'readOnly' || sub?.mutability === 'readOnly';

/** A read-only attribute may be sent as it is (Okta sends `id`); another value is 400 mutability. */
const requireSame = ({ path }: Target, { op, path: text, value }: PatchOperation, { id }: { readonly id: string }): void => {
  if (path.attribute.name === 'id' && op !== 'remove' && value === id) return;
  // meta and groups are computed: what a client sends of them is never what it would change.
  throw new Rejected('mutability', `${text} is read-only.`);
};

const withValue = (object: Resource, name: string, value: Json | undefined): Resource => {
  if (value !== undefined) return { ...object, [name]: value };
  const { [name]: _removed, ...rest } = object;
  return rest;
};

const changed = (target: Target, operation: PatchOperation, before: Json | undefined): Json | undefined => {
  const { path, filter, sub } = target;
  const value = operation.op === 'remove' || operation.value === undefined ? undefined : parsedValue(target, operation.value, operation.path);
  if (path.attribute.multiValued && path.attribute.type === 'complex') {
    const elements = (Array.isArray(before) ? before : []) as readonly Resource[];
    const after = filter || sub ? changeElements(target, operation.op, elements, value) : changeList(operation, path.attribute, elements, value as readonly Resource[] | undefined);
    return after.length === 0 ? undefined : (after as Json);
  }
  if (sub) {
    const object = isObject(before) ? (before as Resource) : {};
    const after = withValue(object, sub.name, value);
    return Object.keys(after).length === 0 ? undefined : after;
  }
  if (path.attribute.type === 'complex' && operation.op === 'add' && isObject(before) && isObject(value)) {
    return { ...(before as Resource), ...(value as Resource) };
  }
  return value;
};

const changeList = (
  operation: PatchOperation, attribute: Attribute, elements: readonly Resource[], value: readonly Resource[] | undefined,
): readonly Resource[] => {
  switch (operation.op) {
    case 'replace':
      return value ?? [];
    case 'remove': {
      if (operation.value === undefined) return [];
      // Entra removes by a value list: only these go, never everybody.
      const listed = parsedValue({ path: { attribute, schema: '', extension: false }, filter: null, sub: null }, operation.value, operation.path);
      const gone = new Set(((listed ?? []) as readonly Resource[]).map((element) => element.value));
      return elements.filter((element) => !gone.has(element.value!));
    }
    case 'add': {
      const added = (value ?? []).filter((element) => !elements.some((present) => isEqual(present, element)));
      return onePrimary([...elements, ...added], added);
    }
  }
};

const changeElements = ({ filter, sub }: Target, op: PatchOperation['op'], elements: readonly Resource[], value: Json | undefined): readonly Resource[] => {
  const hit = (element: Resource): boolean => filter === null || matchesValue(filter, element);
  if (op === 'remove' || value === undefined) {
    if (!sub) return elements.filter((element) => !hit(element));
    return elements.map((element) => (hit(element) ? withValue(element, sub.name, undefined) : element)).filter((element) => Object.keys(element).length > 0);
  }
  const part = sub ? { [sub.name]: value } : (value as Resource);
  const written: Resource[] = [];
  const after = elements.map((element) => {
    if (!hit(element)) return element;
    const next = op === 'replace' && !sub ? { ...(filter ? named(filter) : {}), ...part } : { ...element, ...part };
    written.push(next);
    return next;
  });
  if (written.length === 0) {
    // A path filter that matches nothing creates the element; answering noTarget would kill the whole request of Entra.
    const created = { ...(filter ? named(filter) : {}), ...part };
    written.push(created);
    after.push(created);
  }
  return onePrimary(after, written);
};

/** What a filter says about the element that it looks for: `type eq "work"` → `{type: 'work'}`. */
const named = (filter: Filter): Resource => {
  if (filter.kind === 'and') return { ...named(filter.left), ...named(filter.right) };
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || filter.value === null || !filter.path.subAttribute) return {};
  return { [filter.path.subAttribute.name]: filter.value };
};

/** RFC 7644 §3.5.2: a new primary value takes the mark from the others. */
const onePrimary = (elements: readonly Resource[], written: readonly Resource[]): readonly Resource[] => {
  if (!written.some(({ primary }) => primary === true)) return elements;
  const chosen = written.findLast(({ primary }) => primary === true);
  return elements.map((element) => (element !== chosen && element.primary === true ? { ...element, primary: false } : element));
};

/** The user names that operations may assign: their uniqueness is loaded ahead. */
export const touchesUserName = (operations: readonly PatchOperation[]): string[] =>
  operations.flatMap(({ path, value }) => (/(^|:)userName$/i.test(path) && typeof value === 'string' ? [value] : []));
