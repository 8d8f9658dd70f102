import { Rejected } from './error.js';
import { hasTooManyMarks } from './fold.js';
import { checkText, isObject, quote, TOO_MANY_MARKS, type Json } from './json.js';
import { findSubAttribute, WEB_ROLES, type Attribute } from './schema.js';
import { namedWebRole } from './web-role.js';

export const MAX_VALUES_PER_ATTRIBUTE = 1_000;
/** Members that one request names; a body is mostly too long before that. */
export const MAX_MEMBERS_PER_REQUEST = 20_000;
/** Length of one text, in UTF-16 units. */
export const MAX_TEXT_CHARACTERS = 65_536;
/**
 * Length of a text by which resources are looked up, in UTF-16 units. Postgres refuses index rows of more than 2,704 bytes, and
 * a UTF-16 unit folds to at most six bytes.
 */
export const MAX_KEY_CHARACTERS = 400;
/** What is counted for a role that gives no access to the web: not its value, which may say something about a person. */
export const NO_WEB_ROLE = `roles.value that is none of ${WEB_ROLES.join(', ')}`;
const KEY_PATHS: ReadonlySet<string> = new Set(['externalId', 'emails.value', 'members.value']);

/** The parts of a complex value; null, where a PATCH asks for it, says that a part goes. */
export type Parts = { [name: string]: Json };

/**
 * A value in its stored form, or undefined when it says that there is none (null, an empty array). Coerces what real clients send
 * (`"True"`, a manager as string or list of one, JSON inside a role) and nothing else. Names of unknown parts go to `ignored`.
 * Throws Rejected(invalidValue) naming `path`.
 */
export const parseValue = (attribute: Attribute, value: unknown, path: string, ignored: string[]): Json | undefined => {
  if (value === null || value === undefined) return undefined;
  if (attribute.multiValued) return parseList(attribute, value, path, ignored);
  if (attribute.type !== 'complex') {
    const parsed = parseSimple(attribute, value, path);
    if (path === 'roles.value' && !namedWebRole(String(parsed))) ignored.push(NO_WEB_ROLE);
    return parsed;
  }
  const object = singleObject(attribute, value, path);
  return object && nonEmpty(parseParts(attribute, object, path, ignored));
};

const parseList = (attribute: Attribute, value: unknown, path: string, ignored: string[]): Json | undefined => {
  if (!Array.isArray(value)) throw wrongType(path, value, 'an array');
  requireFewValues(path, value.length);
  const values: Json[] = [];
  let primaries = 0;
  for (const element of value as unknown[]) {
    if (element === null) continue;
    if (attribute.type !== 'complex') {
      values.push(parseSimple(attribute, element, path));
      continue;
    }
    if (!isObject(element)) throw wrongType(path, element, 'an array of objects');
    const parts = parseParts(attribute, element, path, ignored);
    if (nonEmpty(parts)) values.push(parts);
    // RFC 7643 §2.4: the primary value "true" MUST appear no more than once. Of roles identity providers send several, and none goes first.
    if (parts.primary === true && ++primaries > 1 && path !== 'roles') throw new Rejected('invalidValue', `${path} has more than one primary value.`);
  }
  return values.length === 0 ? undefined : values;
};

/** Throws Rejected(invalidValue) above MAX_VALUES_PER_ATTRIBUTE, or for members above MAX_MEMBERS_PER_REQUEST. */
export const requireFewValues = (path: string, count: number): void => {
  const limit = path === 'members' ? MAX_MEMBERS_PER_REQUEST : MAX_VALUES_PER_ATTRIBUTE;
  if (count > limit) throw new Rejected('invalidValue', `${path} has ${count} values; the limit is ${limit}.`);
};

/** The object of a single complex attribute: as it is, in a list of one, or a manager's id. Undefined: there is none. */
export const singleObject = (
  attribute: Attribute, value: unknown, path: string,
): { readonly [name: string]: unknown } | undefined => {
  const only: unknown = Array.isArray(value) && value.length <= 1 ? value[0] : value;
  if (only === null || only === undefined) return undefined;
  if (isObject(only)) return only;
  // Only the manager may be a bare string; an empty one names nobody.
  if (attribute.name === 'manager' && typeof value === 'string' && findSubAttribute(attribute, 'value')) return value === '' ? undefined : { value };
  throw wrongType(path, value, 'an object');
};

/**
 * The known parts of a complex value. Read-only parts are ignored (RFC 7644 §3.5.1). `keepNull` = a null stays, as the sign of
 * a PATCH that the part goes.
 */
export const parseParts = (
  attribute: Attribute, object: { readonly [name: string]: unknown }, path: string, ignored: string[], keepNull = false,
): Parts => {
  const source = path === 'roles' ? unpackRole(object, path) : object;
  const parts: Parts = {};
  for (const [key, element] of Object.entries(source)) {
    const sub = findSubAttribute(attribute, key);
    if (!sub) {
      ignored.push(`${path}.${key}`);
    } else if (sub.mutability !== 'readOnly') {
      const parsed = parseValue(sub, element, `${path}.${sub.name}`, ignored);
      if (parsed !== undefined) parts[sub.name] = parsed;
      else if (keepNull && element === null) parts[sub.name] = null;
    }
  }
  return parts;
};

const nonEmpty = (parts: Parts): Parts | undefined => {
  for (const _ in parts) return parts;
  return undefined;
};

/** Whether the value of a role is an object written as text: how Entra's app-role mappings send `{id, value, displayName}`. */
export const isRoleText = (value: unknown): value is string => typeof value === 'string' && value.trimStart().startsWith('{') && value.trimEnd().endsWith('}');

const unpackRole = (object: { readonly [name: string]: unknown }, path: string): { readonly [name: string]: unknown } => {
  if (!isRoleText(object.value)) return object;
  let inner: unknown;
  try {
    inner = JSON.parse(object.value);
  } catch {
    // A role whose name begins with a brace is a name after all.
    return object;
  }
  // What was escaped twice has not been looked at yet.
  checkText(inner, `${path}.value`);
  return isObject(inner) ? { ...object, ...inner } : object;
};

const parseSimple = ({ type, uniqueness }: Attribute, value: unknown, path: string): Json => {
  switch (type) {
    case 'boolean':
      if (typeof value === 'boolean') return value;
      if (typeof value === 'string' && /^(true|false)$/i.test(value)) return value.length === 4;
      throw wrongType(path, value, 'true or false');
    case 'decimal':
      if (Number.isFinite(value)) return value as number;
      throw wrongType(path, value, 'a number');
    case 'integer':
      if (Number.isSafeInteger(value)) return value as number;
      throw wrongType(path, value, 'a whole number');
    case 'dateTime':
      if (typeof value === 'string' && !Number.isNaN(instantOf(value))) return value;
      throw wrongType(path, value, 'a dateTime such as 2026-01-31T08:00:00Z');
    case 'binary':
      if (typeof value === 'string' && isBase64(value)) return parseText(value, path, false);
      throw wrongType(path, value, 'base64');
    default:
      // What is unique is looked up, so that it can be.
      return parseText(value, path, uniqueness !== 'none' || KEY_PATHS.has(path));
  }
};

/** RFC 7643 §2.3.6, RFC 4648 §4 and §5; broken into lines, as certificates often are, and with or without its padding. */
const isBase64 = (text: string): boolean => {
  const digits = text.replace(/\s+/g, '');
  const padding = /={0,2}$/.exec(digits)![0].length;
  return /^[\w+/-]*={0,2}$/.test(digits) && (padding === 0 ? digits.length % 4 !== 1 : digits.length % 4 === 0);
};

const parseText = (value: unknown, path: string, isKey: boolean): string => {
  if (typeof value !== 'string') throw wrongType(path, value, 'a string');
  const limit = isKey ? MAX_KEY_CHARACTERS : MAX_TEXT_CHARACTERS;
  if (value.length > limit) throw new Rejected('invalidValue', `${path} has ${value.length} characters; the limit is ${limit}.`);
  if (hasTooManyMarks(value)) throw new Rejected('invalidValue', `${path} ${TOO_MANY_MARKS}.`);
  return value;
};

const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(Z|[+-]\d{2}:\d{2})?$/i;

/** Milliseconds since 1970 of an xsd:dateTime (RFC 7643 §2.3.5), without zone in UTC; NaN when it is none. */
export const instantOf = (text: string): number => {
  const match = DATE_TIME.exec(text);
  return match ? Date.parse(match[1] ? text.toUpperCase() : `${text.toUpperCase()}Z`) : Number.NaN;
};

/** Says what came and what was expected. */
export const wrongType = (path: string, value: unknown, expected: string): Rejected => {
  const kind = Array.isArray(value) ? 'an array' : isObject(value) ? 'an object' : undefined;
  const given = kind ?? (typeof value === 'string' ? quote(value) : String(value));
  return new Rejected('invalidValue', `${path} must be ${expected}, not ${given}.`);
};
