import { Rejected } from './error.js';
import { parseValueFilter, type Filter } from './filter.js';
import { isObject, quote, type Json } from './json.js';
import { isStored, requireUrns } from './resource.js';
import {
  beginsWithSchema,
  findPath,
  findSchema,
  findSubAttribute,
  pathName,
  USER_URN,
  type Attribute,
  type AttributePath,
  type FoundSchema,
  type ResourceDefinition,
} from './schema.js';
import {
  givesAccess,
  isOfNothing,
  isRoleText,
  parseParts,
  parseValue,
  saysNone,
  singleObject,
  singleValue,
  wrongType,
} from './value.js';

/** Operations of one request, as sent and again after pathless ones were taken apart. */
export const MAX_PATCH_OPERATIONS = 1_000;
/** Length of all paths of one request, in UTF-16 units; more than are read in 20 ms. */
export const MAX_PATCH_PATHS_CHARACTERS = 131_072;

/** One change of one attribute, normalised: what travels in a command. */
export interface PatchOperation {
  readonly op: 'add' | 'replace' | 'remove';
  /** Canonical: `userName`, `name.givenName`, `emails[type eq "work"].value`, `urn:…:User:manager`. */
  readonly path: string;
  /**
   * In its stored form. A null part of an object removes that part. A remove has a value only when it names the values
   * of a multi-valued attribute that go.
   */
  readonly value?: Json;
}

/** The operations of a request; `ignored` lists unknown attributes. */
interface ParsedPatch {
  readonly operations: PatchOperation[];
  readonly ignored: string[];
}

/** The result of reading a request. */
interface Reading extends ParsedPatch {
  pathsCharacters: number;
}

/**
 * The operations in the body of a PATCH (RFC 7644 §3.5.2), in both of Entra's dialects. Throws Rejected: invalidSyntax,
 * invalidPath, noTarget, invalidValue or mutability.
 */
export const parsePatch = (definition: ResourceDefinition, body: unknown): ParsedPatch => {
  if (!isObject(body))
    throw new Rejected('invalidSyntax', 'The body must be a JSON object with Operations (RFC 7644 §3.5.2).');
  requireUrns(field(body, 'schemas'));
  const operations = field(body, 'operations');
  // An empty list asks for no change: clients send it when they found no difference.
  if (!Array.isArray(operations)) throw new Rejected('invalidSyntax', 'Operations must be an array of operations.');
  requireFewOperations(operations.length);
  const parsed: Reading = { operations: [], ignored: [], pathsCharacters: 0 };
  for (const [index, operation] of operations.entries())
    parseOperation(definition, operation, `Operation ${index + 1}`, parsed);
  return { operations: parsed.operations, ignored: parsed.ignored };
};

/** Names of fields are read in any case, as those of attributes are (RFC 7643 §2.1). */
export const field = (object: { readonly [name: string]: unknown }, name: string): unknown => {
  const value = object[name];
  if (value !== undefined && value !== null) return value;
  const spelt = Object.keys(object).find((key) => key.toLowerCase() === name);
  return spelt === undefined ? undefined : object[spelt];
};

const requireFewOperations = (count: number): void => {
  if (count > MAX_PATCH_OPERATIONS) {
    throw new Rejected(
      'invalidValue',
      `The request makes ${count} or more changes; the limit is ${MAX_PATCH_OPERATIONS}.`,
    );
  }
};

const parseOperation = (definition: ResourceDefinition, operation: unknown, title: string, parsed: Reading): void => {
  if (!isObject(operation)) throw new Rejected('invalidSyntax', `${title} must be an object.`);
  const [name, path, value] = [field(operation, 'op'), field(operation, 'path'), field(operation, 'value')];
  const op = typeof name === 'string' ? name.toLowerCase() : undefined;
  if (op !== 'add' && op !== 'replace' && op !== 'remove') {
    throw new Rejected('invalidSyntax', `The op of ${title} must be add, replace or remove.`);
  }
  if (path !== undefined && path !== null && typeof path !== 'string') {
    throw new Rejected('invalidPath', `The path of ${title} must be a string.`);
  }
  if (path?.trim()) {
    parseChange(definition, op, path.trim(), value, parsed, false);
    return;
  }
  if (op === 'remove')
    throw new Rejected('noTarget', `${title} needs a path: a remove names what goes (RFC 7644 §3.5.2.2).`);
  const object = objectIn(value);
  if (!isObject(object)) throw wrongType(`The value of ${title}, which has no path,`, value, 'an object');
  // The keys are attributes, but Entra also sends paths: "name.givenName", "emails[type eq \"work\"].value".
  for (const key of Object.keys(object)) parseChange(definition, op, key, object[key], parsed, true);
};

/** An object as it is, in a list of one, or, as PHP encodes an object of nothing, an empty list; else the value. */
const objectIn = (value: unknown): unknown =>
  !Array.isArray(value) ? value : value.length === 0 ? {} : value.length === 1 ? value[0] : value;

/**
 * `isMember`: the path is a name in a value object, where names that nobody knows are ignored, whatever they look like.
 */
const parseChange = (
  definition: ResourceDefinition,
  op: PatchOperation['op'],
  path: string,
  value: unknown,
  parsed: Reading,
  isMember: boolean,
): void => {
  const schema = findSchema(definition, path);
  if (schema) {
    const object = partsOfSchema(schema, op, value);
    for (const name of Object.keys(object))
      parseChange(definition, op, `${schema.id}:${name}`, object[name], parsed, true);
    return;
  }
  parsed.pathsCharacters += path.length;
  if (parsed.pathsCharacters > MAX_PATCH_PATHS_CHARACTERS) {
    throw new Rejected(
      'invalidPath',
      `The paths of the request are longer than ${MAX_PATCH_PATHS_CHARACTERS} characters together: send fewer operations at once.`,
    );
  }
  const target = parseTarget(definition, path);
  if (!target) {
    if (!isMember && !isOfUnknownSchema(definition, path)) throw noAttribute(path);
    parsed.ignored.push(path);
    return;
  }
  const change = toChange(target, op, value, parsed.ignored);
  if (!change) return;
  const {
    target: { text },
    ...normalised
  } = change;
  parsed.operations.push({ ...normalised, path: text });
  requireFewOperations(parsed.operations.length);
};

/** The attributes that an object under a URN changes; the removal of an extension is that of each of its attributes. */
const partsOfSchema = (
  schema: FoundSchema,
  op: PatchOperation['op'],
  value: unknown,
): { readonly [name: string]: unknown } => {
  const isEmpty = value === '' || (Array.isArray(value) && value.length === 0);
  // Nothing is added, and of the core, which cannot go as a whole, nothing is replaced.
  if (isEmpty && (op === 'add' || (op === 'replace' && !schema.extension))) return {};
  if (op === 'remove' || value === null || isEmpty) {
    if (!schema.extension)
      throw new Rejected('noTarget', `${schema.id} cannot be removed as a whole: name its attributes.`);
    return Object.fromEntries([...schema.attributes.keys()].map((name) => [name, null]));
  }
  const object = objectIn(value);
  if (!isObject(object)) throw wrongType(schema.id, value, 'an object');
  return object;
};

/**
 * The target of an operation: an attribute, perhaps those of its values that a filter picks, perhaps one part of them.
 */
export interface Target {
  readonly path: AttributePath;
  readonly filter: Filter | null;
  /** The path in canonical form: what parseTarget reads again. */
  readonly text: string;
}

/** `.value`, behind the brackets of a filter. */
const PART = /^\.[a-z_$][\w$-]*$/i;
/** RFC 3986 §3.1: so begins a URI. */
const SCHEME = /^[a-z][a-z\d+.-]*:/i;

/** Tells whether a path names an attribute of a schema that nobody knows, such as an extension of another service. */
const isOfUnknownSchema = (definition: ResourceDefinition, path: string): boolean =>
  SCHEME.test(path) && !beginsWithSchema(definition, path);

/** The client would be told that it is done, and nothing would be stored. */
const noAttribute = (path: string): Rejected =>
  new Rejected(
    'invalidPath',
    `There is no attribute ${quote(path)}: correct the path, or take it out of the mapping. /Schemas lists the attributes that there are.`,
  );

/**
 * The target of a path (RFC 7644 §3.5.2, PATH); undefined when it names no known attribute. Throws
 * Rejected(invalidPath).
 */
export const parseTarget = (definition: ResourceDefinition, text: string): Target | undefined => {
  const open = text.indexOf('[');
  const head = open < 0 ? text : text.slice(0, open);
  const path = findPath(definition, head);
  if (!path) return undefined;
  if (open < 0) return { path, filter: null, text: pathName(path) };
  const close = text.lastIndexOf(']');
  const tail = text.slice(close + 1);
  if (close < open) throw unreadable(text, text.length + 1);
  if (tail !== '' && !PART.test(tail)) throw unreadable(text, close + 2);
  const { attribute, subAttribute } = path;
  // A filter on a single complex attribute, such as the manager, is a condition.
  if (attribute.type !== 'complex' || subAttribute) {
    throw new Rejected(
      'invalidPath',
      `${pathName(path)} has no values that a filter could pick, at character ${open + 1} of the path ${quote(text)}.`,
    );
  }
  const filterText = text.slice(open + 1, close);
  const filter = filterOfPath(path, filterText, text);
  const whole = `${pathName(path)}[${filterText}]`;
  if (tail === '') return { path, filter, text: whole };
  const part = findSubAttribute(attribute, tail.slice(1));
  return part && { path: { ...path, subAttribute: part }, filter, text: `${whole}.${part.name}` };
};

const filterOfPath = (path: AttributePath, filterText: string, text: string): Filter => {
  try {
    return parseValueFilter(path, filterText);
  } catch (error) {
    if (error instanceof Rejected)
      throw new Rejected('invalidPath', `${error.detail} It stands in the path ${quote(text)}.`);
    throw error;
  }
};

/** `at` counts from 1. */
const unreadable = (text: string, at: number): Rejected =>
  new Rejected(
    'invalidPath',
    `The path ${quote(text)} cannot be read at character ${at}: write it like emails[type eq "work"].value.`,
  );

/** Tells whether only the service itself writes the target. */
export const isReadOnly = ({ path: { attribute, subAttribute } }: Target): boolean =>
  attribute.mutability === 'readOnly' || subAttribute?.mutability === 'readOnly';

/** An operation whose path has been read. */
export interface Change {
  readonly target: Target;
  readonly op: PatchOperation['op'];
  /** As in PatchOperation. */
  readonly value?: Json;
}

/**
 * The change that an operation means, its value in stored form; undefined when it means none. A normalised operation
 * gives itself again. Throws Rejected: invalidValue or mutability.
 */
export const toChange = (
  target: Target,
  op: PatchOperation['op'],
  value: unknown,
  ignored: string[],
): Change | undefined => {
  const { path, filter, text } = target;
  if (isReadOnly(target)) {
    // Okta sends the id along. Whether it is the right one is known where the resource is.
    if (op !== 'remove' && value !== undefined) return { target, op, value: value as Json };
    throw new Rejected('mutability', `${text} is read-only: leave it out.`);
  }
  if (!isStored(path)) return undefined;
  const isWhole = path.attribute.multiValued && !path.subAttribute && !filter;
  const given = isWhole ? unwrapped(path.attribute, value) : value;
  const isNull = isNone(path.subAttribute ?? path.attribute, isWhole, given);
  if (path.attribute.name === 'active' && !path.extension && (op === 'remove' || isNull)) {
    // Without `active` a user counts as active, and nobody asked for that.
    throw new Rejected('mutability', 'active must be true or false; it cannot be removed.');
  }
  if (isNull) {
    if (op === 'remove' && given === '' && isWhole) throw wrongType(text, given, 'the values that go');
    // To a list nothing is added, as with [null]: a client that adds wants nobody to go.
    return op === 'add' && isWhole ? undefined : { target, op: 'remove' };
  }
  if (op === 'remove') return removal(target, isWhole, given, ignored);
  if (given === undefined) throw new Rejected('invalidValue', `The ${op} of ${text} has no value.`);
  if (isRoleText(given) && filter && text.endsWith('.value') && pathName(path) === 'roles.value') {
    const { subAttribute: _value, ...roles } = path;
    return toChange({ path: roles, filter, text: text.slice(0, -'.value'.length) }, 'add', { value: given }, ignored);
  }
  const parsed = valueOf(target, op, given, ignored);
  if (parsed === null) return op === 'replace' ? { target, op: 'remove' } : undefined;
  return parsed === undefined ? undefined : { target, op, value: parsed };
};

const removal = (target: Target, isWhole: boolean, value: unknown, ignored: string[]): Change | undefined => {
  if (value === undefined || !isWhole) return { target, op: 'remove' };
  const { attribute } = target.path;
  const list = asList(value);
  const values = parseValue(attribute, list, target.text, ignored);
  if (values !== undefined) return { target, op: 'remove', value: values };
  // A list without values does not ask to remove everything. A list with values of which none is understood asked to
  // remove something.
  const isUnknown = (element: unknown): boolean =>
    isObject(element) && !Object.keys(element).some((name) => findSubAttribute(attribute, name));
  if (!Array.isArray(list) || !list.some(isUnknown)) return undefined;
  throw new Rejected(
    'invalidValue',
    `No value that the remove of ${target.text} lists is understood: list them as they are shown, or name them in the path, ${target.text}[value eq "…"].`,
  );
};

/** RFC 7644 §3.5.2.1: the value of a multi-valued attribute may be one that joins the others. */
const asList = (value: unknown): unknown => (isObject(value) ? [value] : value);

/**
 * Some clients, Salesforce's among them, repeat the name of a list: `{"members": [{"value": …}]}` at the path
 * `members`.
 */
const unwrapped = (attribute: Attribute, value: unknown): unknown => {
  const object = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
  if (!isObject(object)) return value;
  const [name, ...others] = Object.keys(object);
  if (
    name === undefined ||
    others.length > 0 ||
    name.toLowerCase() !== attribute.name.toLowerCase() ||
    findSubAttribute(attribute, name)
  )
    return value;
  const inner = object[name];
  return typeof inner === 'object' && inner !== null ? inner : value;
};

/** Tells whether a value says that there is none, as null does. */
const isNone = (attribute: Attribute, isWhole: boolean, value: unknown): boolean => {
  if (value === null) return true;
  if (isWhole || attribute.type === 'complex') return value === '';
  return value !== undefined && saysNone(attribute, singleValue(value));
};

/** The value in its stored form; null = the attribute shall have none, undefined = nothing known was said. */
const valueOf = (
  { path, filter }: Target,
  op: 'add' | 'replace',
  value: unknown,
  ignored: string[],
): Json | undefined => {
  const { attribute, subAttribute } = path;
  const name = pathName(path);
  if (subAttribute) return parseValue(subAttribute, value, name, ignored);
  if (attribute.multiValued && !filter) {
    const list = asList(value);
    const parsed = parseValue(attribute, list, name, ignored);
    return parsed === undefined && (list as unknown[]).every((element) => isOfNothing(attribute, element))
      ? null
      : parsed;
  }
  if (attribute.type !== 'complex') return parseValue(attribute, value, name, ignored);
  const object = singleObject(attribute, value, name);
  if (!object) return null;
  // Parts that are not named stay (RFC 7644 §3.5.2.3), unless an element as a whole is replaced: there a null says
  // nothing.
  const parts = parseParts(attribute, object, name, ignored, !(filter && attribute.multiValued && op === 'replace'));
  if (Object.keys(parts).length > 0) return parts;
  if (givesAccess(name))
    throw new Rejected(
      'invalidValue',
      `The ${op} of ${name} gives none of its parts: ${(attribute.subAttributes ?? []).map((part) => part.name).join(', ')}.`,
    );
  return undefined;
};

/** The core attribute alone: an extension may have one of that name, by which nobody is found. */
const USER_NAME = new RegExp(`^(?:${USER_URN.replaceAll('.', String.raw`\.`)}:)?userName$`, 'i');

/**
 * The user names that operations may assign, however they spell the path: whoever decides must know who holds these
 * names.
 */
export const touchesUserName = (operations: readonly PatchOperation[]): string[] =>
  operations.flatMap(({ path, value }) => (USER_NAME.test(path) && typeof value === 'string' ? [value] : []));
