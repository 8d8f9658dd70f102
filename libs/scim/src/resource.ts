import { Rejected } from './error.js';
import { findAttribute, findSchema, findSubAttribute, type Attribute, type FoundAttribute, type ResourceDefinition } from './schema.js';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
/** The attributes of a resource under their canonical names; those of an extension below its URN. No id, meta or schemas. */
export type Resource = { readonly [attribute: string]: Json };
type Mutable = { [name: string]: Json };

export const MAX_DEPTH = 16;
export const MAX_VALUES_PER_ATTRIBUTE = 1_000;
export const MAX_TEXT_CHARACTERS = 65_536;

/** Throws invalidSyntax for a NUL character or a lone surrogate anywhere in parsed JSON: Postgres refuses both. */
export const checkText = (value: unknown, path = 'the body', depth = 0): void => {
  if (depth > MAX_DEPTH * 4) throw new Rejected('invalidSyntax', `${path} is nested too deeply.`);
  if (typeof value === 'string') {
    if (value.includes('\0')) throw new Rejected('invalidSyntax', `${path} holds a NUL character.`);
    if (!value.isWellFormed()) throw new Rejected('invalidSyntax', `${path} holds half of a surrogate pair, which is no character.`);
  } else if (Array.isArray(value)) {
    value.forEach((element) => checkText(element, path, depth + 1));
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, element] of Object.entries(value)) {
      checkText(key, `the name of an attribute in ${path}`, depth + 1);
      checkText(element, key, depth + 1);
    }
  }
};

export const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const kindOf = (value: unknown): string => (Array.isArray(value) ? 'an array' : isObject(value) ? 'an object' : JSON.stringify(value));
const wrong = (path: string, value: unknown, expected: string): Rejected =>
  new Rejected('invalidValue', `${path} must be ${expected}, not ${kindOf(value).slice(0, 100)}.`);

const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?$/i;

/**
 * One value of an attribute in its stored form, or undefined when it says that there is none (null, an empty array).
 * `single` = one element of a multi-valued attribute. Coerces what real clients send and nothing else. Throws invalidValue.
 */
export const parseValue = (attribute: Attribute, value: unknown, path: string, ignored: string[], single = false): Json | undefined => {
  if (value === null || value === undefined) return undefined;
  if (attribute.multiValued && !single) {
    const list = Array.isArray(value) ? value : [value];
    // A single value for a multi-valued attribute is a wrong type in a resource; Entra's PATCH sends it, patch.ts wraps it.
    if (!Array.isArray(value)) throw wrong(path, value, 'an array');
    if (list.length > MAX_VALUES_PER_ATTRIBUTE) {
      throw new Rejected('invalidValue', `${path} has ${list.length} values; the limit is ${MAX_VALUES_PER_ATTRIBUTE}.`);
    }
    const values = list.flatMap((element) => parseValue(attribute, element, path, ignored, true) ?? []);
    if (values.filter((element) => isObject(element) && element.primary === true).length > 1) {
      throw new Rejected('invalidValue', `${path} has more than one primary value.`);
    }
    return values.length === 0 ? undefined : values;
  }
  switch (attribute.type) {
    case 'complex': {
      let object: unknown = value;
      // Entra sends the manager as a list of one, as an object, or as a bare string.
      if (Array.isArray(object) && object.length <= 1 && !attribute.multiValued) object = object[0];
      if (object === undefined) return undefined;
      if (typeof object === 'string' && attribute.name === 'manager') object = object === '' ? undefined : { value: object };
      if (object === undefined || object === null) return undefined;
      if (!isObject(object)) throw wrong(path, value, 'an object');
      return parseComplex(attribute, object, path, ignored);
    }
    case 'boolean':
      if (typeof value === 'boolean') return value;
      if (typeof value === 'string' && /^(true|false)$/i.test(value)) return value.toLowerCase() === 'true';
      throw wrong(path, value, 'true or false');
    case 'decimal':
    case 'integer':
      if (typeof value === 'number' && (attribute.type === 'decimal' || Number.isInteger(value))) return value;
      throw wrong(path, value, attribute.type === 'decimal' ? 'a number' : 'a whole number');
    case 'dateTime':
      if (typeof value === 'string' && DATE_TIME.test(value)) return value;
      throw wrong(path, value, 'a dateTime such as 2026-01-31T08:00:00Z');
    default:
      if (typeof value !== 'string') throw wrong(path, value, 'a string');
      if (value.length > MAX_TEXT_CHARACTERS) {
        throw new Rejected('invalidValue', `${path} has ${value.length} characters; the limit is ${MAX_TEXT_CHARACTERS}.`);
      }
      return value;
  }
};

const parseComplex = (attribute: Attribute, object: { readonly [name: string]: unknown }, path: string, ignored: string[]): Json | undefined => {
  const source = attribute.name === 'roles' ? unpackRole(object) : object;
  const result: Mutable = {};
  for (const [key, element] of Object.entries(source)) {
    const sub = findSubAttribute(attribute, key);
    if (!sub) {
      ignored.push(`${path}.${key}`);
      continue;
    }
    const parsed = parseValue(sub, element, `${path}.${sub.name}`, ignored);
    if (parsed !== undefined) result[sub.name] = parsed;
  }
  return Object.keys(result).length === 0 ? undefined : result;
};

/** The value of a role may be JSON inside a string: Entra's SingleAppRoleAssignment and AppRoleAssignmentsComplex. */
const unpackRole = (object: { readonly [name: string]: unknown }): { readonly [name: string]: unknown } => {
  const { value } = object;
  if (typeof value !== 'string' || !value.trimStart().startsWith('{')) return object;
  try {
    const inner: unknown = JSON.parse(value);
    return isObject(inner) ? { ...object, ...inner } : object;
  } catch {
    // A role whose name begins with a brace is a name after all.
    return object;
  }
};

/** Whether a client's value for this attribute is taken at all: read-only ones are ignored, passwords are dropped for good. */
const isStored = ({ mutability, name }: Attribute): boolean => mutability !== 'readOnly' && mutability !== 'writeOnly' && name !== 'schemas';

/** The resource in the body of a POST (RFC 7644 §3.3). Throws invalidSyntax or invalidValue naming the path. */
export const parseResource = (definition: ResourceDefinition, body: unknown): { resource: Resource; ignored: string[] } => {
  if (!isObject(body)) throw new Rejected('invalidSyntax', `The body must be a JSON object that describes a ${definition.name}.`);
  const ignored: string[] = [];
  const resource: Mutable = {};
  const take = (found: FoundAttribute, value: unknown, path: string): void => {
    if (!isStored(found.attribute)) return;
    const parsed = parseValue(found.attribute, value, path, ignored);
    if (parsed === undefined) return;
    if (!found.extension) resource[found.attribute.name] = parsed;
    else resource[found.schema] = { ...(resource[found.schema] as Mutable | undefined), [found.attribute.name]: parsed };
  };
  for (const [key, value] of Object.entries(body)) {
    if (key.toLowerCase() === 'schemas') {
      if (value !== null && !(Array.isArray(value) && value.every((urn) => typeof urn === 'string'))) {
        throw wrong('schemas', value, 'an array of URNs');
      }
      continue;
    }
    const schema = findSchema(definition, key);
    if (schema) {
      if (value === null) continue;
      if (!isObject(value)) throw wrong(key, value, 'an object');
      for (const [name, element] of Object.entries(value)) {
        const found = schema.attributes.get(name.toLowerCase());
        if (found) take(found, element, `${schema.id}:${found.attribute.name}`);
        else ignored.push(`${schema.id}:${name}`);
      }
      continue;
    }
    const found = findAttribute(definition, key);
    if (found) take(found, value, found.attribute.name);
    else ignored.push(key);
  }
  requireAttributes(definition, resource);
  if (definition.schema.attributes.some(({ name }) => name === 'active')) resource.active ??= true;
  return { resource, ignored };
};

/** Throws invalidValue naming a required attribute that is missing or blank (RFC 7643 §2.2). */
export const requireAttributes = (definition: ResourceDefinition, resource: Resource): void => {
  for (const { name, required } of definition.schema.attributes) {
    const value = resource[name];
    if (required && (value === undefined || (typeof value === 'string' && value.trim() === ''))) {
      throw new Rejected('invalidValue', `${name} is required and must not be blank.`);
    }
  }
};

/** What a client wants to see (RFC 7644 §3.9): paths in lower case. */
export interface Selection {
  readonly only: ReadonlySet<string> | null;
  readonly without: ReadonlySet<string> | null;
}

/** Throws invalidValue when both parameters are given; unknown names select nothing. */
export const parseSelection = (
  definition: ResourceDefinition, attributes?: string, excludedAttributes?: string,
): Selection | undefined => {
  if (!attributes && !excludedAttributes) return undefined;
  if (attributes && excludedAttributes) {
    throw new Rejected('invalidValue', 'Give either attributes or excludedAttributes, not both.');
  }
  const paths = (list: string): Set<string> => new Set(list.split(',').flatMap((path) => selected(definition, path.trim())));
  return { only: attributes ? paths(attributes) : null, without: excludedAttributes ? paths(excludedAttributes) : null };
};

/** `name.givenName` or `urn:…:User:manager.value` → the canonical path that render compares with. */
const selected = (definition: ResourceDefinition, path: string): string[] => {
  const schema = findSchema(definition, path);
  if (schema?.extension) return [schema.id];
  const whole = findAttribute(definition, path);
  if (whole) return [pathOf(whole)];
  const dot = path.lastIndexOf('.');
  const parent = dot > 0 ? findAttribute(definition, path.slice(0, dot)) : undefined;
  const sub = parent && findSubAttribute(parent.attribute, path.slice(dot + 1));
  return parent && sub ? [`${pathOf(parent)}.${sub.name}`] : [];
};

const pathOf = ({ attribute, schema, extension }: FoundAttribute): string => (extension ? `${schema}:${attribute.name}` : attribute.name);

/** What the service knows about a resource beside its attributes; times are ISO 8601, UTC. */
export interface ResourceEnvelope {
  readonly id: string;
  readonly created: string;
  readonly lastModified: string;
  readonly version: number;
  readonly location: string;
}

/** The resource as a client sees it (RFC 7643 §3): schemas, id, attributes, meta. Shares what it can: it is on the hot path. */
export const renderResource = (
  definition: ResourceDefinition, resource: Resource, envelope: ResourceEnvelope, selection?: Selection,
): object => {
  const schemas = [definition.schema.id];
  for (const { id } of definition.extensions) if (resource[id] !== undefined) schemas.push(id);
  const { id, created, lastModified, location, version } = envelope;
  const meta = { resourceType: definition.name, created, lastModified, location, version: `W/"${version}"` };
  if (!selection) return { schemas, id, ...resource, meta };
  const shown: Mutable = {};
  for (const [name, value] of Object.entries({ ...resource, meta } as Resource)) {
    const part = choose(selection, name, value, name.startsWith('urn:') ? ':' : '.');
    if (part !== undefined) shown[name] = part;
  }
  return { schemas, id, ...shown };
};

const choose = (selection: Selection, path: string, value: Json, separator: ':' | '.'): Json | undefined => {
  if (selection.only?.has(path)) return value;
  if (selection.without?.has(path)) return undefined;
  const inside = (object: Json): Json | undefined => {
    if (!isObject(object)) return selection.only ? undefined : object;
    const parts = Object.entries(object as Resource).flatMap(([name, element]) => {
      const part = choose(selection, `${path}${separator}${name}`, element, '.');
      return part === undefined ? [] : [[name, part] as const];
    });
    return parts.length === 0 ? undefined : Object.fromEntries(parts);
  };
  if (!Array.isArray(value)) return inside(value);
  const elements = value.flatMap((element: Json) => inside(element) ?? []);
  return elements.length === 0 ? undefined : elements;
};

/** Whether two values are the same, whatever the order of their keys. */
export const isEqual = (a: Json | undefined, b: Json | undefined): boolean => {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((element, index) => isEqual(element, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => isEqual((a as Resource)[key], (b as Resource)[key]));
};

/** The attributes that differ, each with its new value; null = removed. */
export const diffResource = (before: Resource, after: Resource): { [attribute: string]: Json | null } => {
  const changes: { [attribute: string]: Json | null } = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (!isEqual(before[name], after[name])) changes[name] = after[name] ?? null;
  }
  return changes;
};

/** The reverse of diffResource. */
export const applyChanges = (resource: Resource, changes: { readonly [attribute: string]: Json | null }): Resource => {
  const after: Mutable = { ...resource };
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete after[name];
    else after[name] = value;
  }
  return after;
};
