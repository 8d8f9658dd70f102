import { Rejected } from './error.js';
import { fold, hasTooManyMarks } from './fold.js';
import { checkText, isJsonObject, isObject, quote, TOO_MANY_MARKS, type Json, type JsonObject } from './json.js';
import { findSubAttribute, WEB_ROLES, type Attribute } from './schema.js';
import { namedWebRole } from './web-role.js';

export const MAX_VALUES_PER_ATTRIBUTE = 1_000;
/** Members that one request names; a body is mostly too long before that. */
export const MAX_MEMBERS_PER_REQUEST = 20_000;
/** Length of one text, in UTF-16 units. */
export const MAX_TEXT_CHARACTERS = 65_536;
/**
 * Length of a text by which resources are looked up, in UTF-16 units. Postgres refuses index rows of more than 2,704
 * bytes, and a UTF-16 unit folds to at most six bytes.
 */
export const MAX_KEY_CHARACTERS = 400;
/**
 * The name that is counted for a role that gives no access to the web: not its value, which may say something about a
 * person.
 */
export const NO_WEB_ROLE = `roles.value that is none of ${WEB_ROLES.join(', ')}`;
const KEY_PATHS: ReadonlySet<string> = new Set(['externalId', 'emails.value', 'members.value']);

/** The parts of a complex value; null, where a PATCH asks for it, says that a part goes. */
export type Parts = { [name: string]: Json };

/**
 * These say who may do what: a value of which nothing is understood must not be answered as if it had been given, or
 * taken away. Core attributes only, because a tenant's own give nothing in Muster.
 */
const GIVES_ACCESS: ReadonlySet<string> = new Set(['members', 'roles', 'entitlements']);
export const givesAccess = (path: string): boolean => GIVES_ACCESS.has(path);

/**
 * A value in its stored form, or undefined when it says that there is none (null, an empty array, an empty text for
 * anything but a string). Coerces what real clients send (`"True"`, a manager as string or list of one, one object for
 * a list, JSON inside a role) and nothing else. Names of unknown parts go to `ignored`. Throws Rejected(invalidValue)
 * naming `path`.
 */
export const parseValue = (attribute: Attribute, value: unknown, path: string, ignored: string[]): Json | undefined => {
  if (saysNone(attribute, value)) return undefined;
  if (attribute.multiValued) return parseList(attribute, isObject(value) ? [value] : value, path, ignored);
  if (attribute.type === 'complex') {
    const object = singleObject(attribute, value, path);
    return object && nonEmpty(parseParts(attribute, object, path, ignored));
  }
  const single = singleValue(value);
  if (saysNone(attribute, single)) return undefined;
  const parsed = parseSimple(attribute, single, path);
  if (path === 'roles.value' && !namedWebRole(String(parsed))) ignored.push(NO_WEB_ROLE);
  return parsed;
};

/**
 * RFC 7643 §2.5: null, and an empty array where values or parts could be, say that there is no value. So does an empty
 * text, but for a string, of which it is a value.
 */
export const saysNone = ({ type, multiValued }: Attribute, value: unknown): boolean => {
  if (value === null || value === undefined) return true;
  if (value === '') return type !== 'string' || multiValued;
  return Array.isArray(value) && value.length === 0 && (multiValued || type === 'complex');
};

/** Microsoft's library of 2017 to 2019 sends every value as `[{"$ref": null, "value": …}]`. */
export const singleValue = (value: unknown): unknown => {
  if (!Array.isArray(value) || value.length > 1) return value;
  const only: unknown = value[0];
  return only === null ? null : isObject(only) && 'value' in only ? only.value : value;
};

const parseList = (attribute: Attribute, value: unknown, path: string, ignored: string[]): Json | undefined => {
  if (!Array.isArray(value)) throw wrongType(path, value, 'an array');
  requireFewValues(path, value.length);
  const values: Json[] = [];
  for (const element of value as unknown[]) {
    if (attribute.type !== 'complex') {
      // Microsoft's library of 2017 to 2019 sends each as an object.
      const single = isObject(element) && 'value' in element ? element.value : element;
      if (!saysNone({ ...attribute, multiValued: false }, single)) values.push(parseSimple(attribute, single, path));
      continue;
    }
    const isOfAccess = givesAccess(path);
    // PHP encodes an empty map as [].
    if (element === null || (!isOfAccess && saysNone({ ...attribute, multiValued: false }, element))) continue;
    if (!isObject(element)) throw wrongType(path, element, 'an array of objects');
    const parts = parseParts(attribute, element, path, ignored);
    if (isOfAccess) requireUnderstood(attribute, element, parts, path);
    if (nonEmpty(parts)) values.push(parts);
  }
  const distinct = distinctValues(attribute, values);
  let primaries = 0;
  for (const one of distinct) {
    // RFC 7643 §2.4: the primary value "true" MUST appear no more than once. Of roles identity providers send several,
    // and none goes first.
    if (isPrimary(one) && ++primaries > 1 && path !== 'roles')
      throw new Rejected('invalidValue', `${path} has more than one primary value.`);
  }
  return distinct.length === 0 ? undefined : distinct;
};

/**
 * Tells whether an element of a list of which no value was read says that there is none: by itself, or as `{"$ref":
 * null, "value": null}`.
 */
export const isOfNothing = (attribute: Attribute, element: unknown): boolean => {
  if (!isObject(element)) return element === null || element === '' || (Array.isArray(element) && element.length === 0);
  const isPart = (name: string): boolean =>
    attribute.type === 'complex' ? findSubAttribute(attribute, name) !== undefined : name === 'value';
  return Object.keys(element).some((name) => isPart(name) && element[name] === null);
};

/** Throws Rejected(invalidValue) for an element that names nothing, though something was meant. */
const requireUnderstood = (
  attribute: Attribute,
  element: { readonly [name: string]: unknown },
  parts: Parts,
  path: string,
): void => {
  const key = attribute.subAttributes?.find(({ required }) => required);
  const names = Object.keys(element);
  const isNone = nonEmpty(parts) === undefined && isOfNothing(attribute, element);
  const isRight = key
    ? typeof parts[key.name] === 'string' && parts[key.name] !== ''
    : names.some((name) => findSubAttribute(attribute, name));
  if (isNone || isRight) return;
  const what = key
    ? `a ${key.name}`
    : `at least one of ${(attribute.subAttributes ?? []).map(({ name }) => name).join(', ')}`;
  throw new Rejected(
    'invalidValue',
    `Each of ${path} needs ${what}; one has ${names.length === 0 ? 'nothing' : `only ${names.slice(0, 3).map(quote).join(', ')}`}.`,
  );
};

/**
 * RFC 7643 §2.4: the same type and value are not returned more than once. The first of them takes the parts of the
 * others. Members are many, and a set wherever they go.
 */
export const distinctValues = (attribute: Attribute, values: readonly Json[]): readonly Json[] => {
  if (values.length < 2 || attribute.name === 'members') return values;
  const byKey = valuesByKey(attribute, values);
  return byKey.size === values.length ? values : [...byKey.values()];
};

/** The same by what tells them apart, in their order. */
export const valuesByKey = (attribute: Attribute, values: readonly Json[]): Map<string, Json> => {
  const byKey = new Map<string, Json>();
  for (const value of values) putValue(byKey, keyOf(attribute, value), value);
  return byKey;
};

/** A value with a key that is there already gives its parts to the one that has it; a mark as primary stays. */
export const putValue = (byKey: Map<string, Json>, key: string, value: Json): void => {
  const known = byKey.get(key);
  const isMarked = known !== undefined && (isPrimary(known) || isPrimary(value));
  byKey.set(
    key,
    isJsonObject(known) && isJsonObject(value) ? { ...known, ...value, ...(isMarked ? { primary: true } : {}) } : value,
  );
};

/**
 * RFC 7643 §2.4: type and value together tell values apart; an address, which has no value, is told apart by all of it.
 */
export const keyOf = (attribute: Attribute, value: Json): string => {
  if (!isJsonObject(value)) return JSON.stringify(value);
  if (value.value === undefined) return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  const [type, own] = [foldPart(attribute, 'type', value.type ?? null), foldPart(attribute, 'value', value.value)];
  // Nearly all are texts, for which JSON takes three times as long. The length says where the type ends.
  if (typeof own !== 'string') return JSON.stringify([type, own]);
  return typeof type === 'string'
    ? `${type.length},${type}${own}`
    : type === null
      ? `,${own}`
      : JSON.stringify([type, own]);
};

const foldPart = (attribute: Attribute, name: string, value: Json): Json =>
  typeof value === 'string' && findSubAttribute(attribute, name)?.caseExact === false ? fold(value) : value;

export const isPrimary = (value: Json): value is JsonObject => isJsonObject(value) && value.primary === true;

/** Throws Rejected(invalidValue) above MAX_VALUES_PER_ATTRIBUTE, or for members above MAX_MEMBERS_PER_REQUEST. */
export const requireFewValues = (path: string, count: number): void => {
  const limit = path === 'members' ? MAX_MEMBERS_PER_REQUEST : MAX_VALUES_PER_ATTRIBUTE;
  if (count > limit) throw new Rejected('invalidValue', `${path} has ${count} values; the limit is ${limit}.`);
};

/**
 * The object of a single complex attribute: as it is, in a list of one, or a manager's id. Undefined: there is none.
 */
export const singleObject = (
  attribute: Attribute,
  value: unknown,
  path: string,
): { readonly [name: string]: unknown } | undefined => {
  const only: unknown = Array.isArray(value) && value.length <= 1 ? value[0] : value;
  if (only === null || only === undefined || only === '') return undefined;
  if (isObject(only)) return only;
  // Only the manager may be a bare string.
  if (attribute.name === 'manager' && typeof value === 'string' && findSubAttribute(attribute, 'value'))
    return { value };
  throw wrongType(path, value, 'an object');
};

/**
 * The known parts of a complex value. Read-only parts are ignored (RFC 7644 §3.5.1). `keepNull` = a null stays, as the
 * sign of a PATCH that the part goes.
 */
export const parseParts = (
  attribute: Attribute,
  object: { readonly [name: string]: unknown },
  path: string,
  ignored: string[],
  keepNull = false,
): Parts => {
  const source = path === 'roles' ? unpackRole(object, path) : object;
  const parts: Parts = {};
  for (const key of Object.keys(source)) {
    const element = source[key];
    const sub = findSubAttribute(attribute, key);
    if (!sub) {
      ignored.push(`${path}.${key}`);
    } else if (sub.mutability !== 'readOnly') {
      const parsed = parseValue(sub, element, `${path}.${sub.name}`, ignored);
      if (parsed !== undefined) parts[sub.name] = parsed;
      else if (keepNull && saysNone(sub, element)) parts[sub.name] = null;
    }
  }
  return parts;
};

const nonEmpty = (parts: Parts): Parts | undefined => {
  for (const _ in parts) return parts;
  return undefined;
};

/**
 * Tells whether the value of a role is an object written as text: how Entra's app-role mappings send `{id, value,
 * displayName}`.
 */
export const isRoleText = (value: unknown): value is string =>
  typeof value === 'string' && value.trimStart().startsWith('{') && value.trimEnd().endsWith('}');

const unpackRole = (
  object: { readonly [name: string]: unknown },
  path: string,
): { readonly [name: string]: unknown } => {
  if (!isRoleText(object.value)) return object;
  let inner: unknown;
  try {
    inner = JSON.parse(object.value);
  } catch {
    // A role whose name begins with a brace is a name after all.
    return object;
  }
  // A text that was escaped twice has not been looked at yet.
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
      if (typeof value === 'string' && isDateTime(value)) return value;
      throw wrongType(path, value, 'a dateTime such as 2026-01-31T08:00:00Z');
    case 'binary':
      if (typeof value === 'string' && isBase64(value)) return parseText(value, path, false);
      throw wrongType(path, value, 'base64');
    default:
      return parseText(value, path, isKeyAt(path, uniqueness));
  }
};

/** A unique value has to be one that can be looked up. */
const isKeyAt = (path: string, uniqueness: Attribute['uniqueness']): boolean =>
  uniqueness !== 'none' || KEY_PATHS.has(path);

/** parseSimple for many values of one attribute. */
export const simpleParser = (attribute: Attribute, path: string): ((value: unknown) => Json) => {
  const { type, uniqueness } = attribute;
  if (type !== 'string' && type !== 'reference') return (value) => parseSimple(attribute, value, path);
  const isKey = isKeyAt(path, uniqueness);
  return (value) => parseText(value, path, isKey);
};

/**
 * RFC 7643 §2.3.6, RFC 4648 §4 and §5; broken into lines, as certificates often are, and with or without its padding.
 */
const isBase64 = (text: string): boolean => {
  const digits = text.replace(/\s+/g, '');
  const padding = /={0,2}$/.exec(digits)![0].length;
  return /^[\w+/-]*={0,2}$/.test(digits) && (padding === 0 ? digits.length % 4 !== 1 : digits.length % 4 === 0);
};

const parseText = (value: unknown, path: string, isKey: boolean): string => {
  if (typeof value !== 'string') throw wrongType(path, value, 'a string');
  const limit = isKey ? MAX_KEY_CHARACTERS : MAX_TEXT_CHARACTERS;
  if (value.length > limit)
    throw new Rejected('invalidValue', `${path} has ${value.length} characters; the limit is ${limit}.`);
  if (hasTooManyMarks(value)) throw new Rejected('invalidValue', `${path} ${TOO_MANY_MARKS}.`);
  return value;
};

const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(Z|[+-]\d{2}:\d{2})?$/i;
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const MAX_ZONE_MINUTES = 14 * 60;

/**
 * Tells whether a text is an xsd:dateTime (RFC 7643 §2.3.5) of a day that exists; 24:00:00 is the end of one.
 * Date.parse would take 30 February for 1 March.
 */
export const isDateTime = (text: string): boolean => {
  const match = DATE_TIME.exec(text);
  if (!match) return false;
  const number = (from: number, length = 2): number => Number(text.slice(from, from + length));
  const [year, month, day, hour, minute, second] = [
    number(0, 4),
    number(5),
    number(8),
    number(11),
    number(14),
    number(17),
  ];
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const isDay = day >= 1 && day <= (month === 2 && !isLeap ? 28 : (DAYS[month - 1] ?? 0));
  const isTime = (hour < 24 && minute < 60 && second < 60) || /^24:00:00(?:\.0+)?(?![.\d])/.test(text.slice(11));
  const zone = match[1] && match[1].length > 1 ? match[1] : '+00:00';
  const [zoneHours, zoneMinutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4))];
  return isDay && isTime && zoneMinutes < 60 && zoneHours * 60 + zoneMinutes <= MAX_ZONE_MINUTES;
};

/**
 * Milliseconds since 1970 of a dateTime, without zone in UTC; NaN when it is none. A day that was stored before days
 * were checked counts on.
 */
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
