import { Rejected } from './error.js';
import { isEqual, isJsonObject, quote, type Json } from './json.js';
import { withPart } from './parts.js';
import { isReadOnly, type Target } from './patch.js';
import type { Resource } from './resource.js';
import type { ResourceDefinition } from './schema.js';
import { settingTarget } from './setting-target.js';

/** These say who a user is, or what the user may do: a directory, or the service itself, alone writes them. */
const NEVER_LOCAL: ReadonlySet<string> = new Set([
  'schemas',
  'id',
  'externalId',
  'meta',
  'userName',
  'active',
  'password',
  'emails',
  'groups',
  'roles',
  'entitlements',
  'x509Certificates',
]);

/**
 * The target of a path that administrators may own instead of a directory: an attribute, or a part of one that has a
 * single value. A list is owned as a whole. Throws Rejected(invalidValue) that names the path.
 */
export const localTarget = (definition: ResourceDefinition, text: string): Target => {
  const target = settingTarget(definition, text, refusal);
  const { attribute, subAttribute, extension } = target.path;
  if (!extension && NEVER_LOCAL.has(attribute.name))
    throw refusal(text, `${attribute.name} says who a user is or what the user may do`);
  if (isReadOnly(target) || attribute.mutability === 'writeOnly')
    throw refusal(text, 'only the service itself writes it');
  if (target.filter || (attribute.multiValued && subAttribute))
    throw refusal(text, `it is a part of a list; name ${attribute.name} as a whole`);
  return target;
};

const refusal = (text: string, why: string): Rejected =>
  new Rejected('invalidValue', `${quote(text)} cannot be left to administrators: ${why}.`);

/**
 * The names that lead to the value of a path in its canonical text, as a localTarget has it: no definition is needed,
 * because the names of attributes have neither colons nor dots.
 */
const namesOf = (path: string): readonly string[] => {
  const end = path.lastIndexOf(':');
  const names = path.slice(end + 1).split('.');
  return end < 0 ? names : [path.slice(0, end), ...names];
};

/** Tells whether a path is another one, or a part of it. Both in canonical text. */
export const isWithin = (path: string, whole: string): boolean => {
  const names = namesOf(path);
  return namesOf(whole).every((name, index) => names[index] === name);
};

/** The value at a path in canonical text; undefined = none. */
export const valueAt = (resource: Resource, path: string): Json | undefined =>
  namesOf(path).reduce<Json | undefined>(
    (value, name) => (isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined),
    resource,
  );

/** The resource with another value at a path; undefined takes it away, and an object that is then empty as well. */
export const withValueAt = (resource: Resource, path: string, value: Json | undefined): Resource =>
  isEqual(valueAt(resource, path), value) ? resource : replaced(resource, namesOf(path), value);

const replaced = (object: Resource, [name, ...rest]: readonly string[], value: Json | undefined): Resource => {
  if (rest.length === 0) return withPart(object, name!, value);
  const inner = object[name!];
  const after = replaced(isJsonObject(inner) ? inner : {}, rest, value);
  return withPart(object, name!, Object.keys(after).length === 0 ? undefined : after);
};
