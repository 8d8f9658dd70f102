import { Rejected } from './error.js';
import type { Filter } from './filter.js';
import { isEqual, isJsonObject, type Json, type JsonObject } from './json.js';
import { valueMatcher } from './matches.js';
import { isReadOnly, parseTarget, toChange, type Change, type PatchOperation, type Target } from './patch.js';
import { attributeValue, requireAttributes, type Resource } from './resource.js';
import { findSubAttribute, pathName, type Attribute, type ResourceDefinition } from './schema.js';
import { distinctValues, givesAccess, isPrimary, isRoleText, keyOf, requireFewValues } from './value.js';

/**
 * What the operations of one request may look at, in characters of values: once for each operation, and again for each comparison of
 * its filter. One request of a thousand filters, about a thousand long values, stopped the service for two minutes; this is about 20 ms. It is
 * as much as 36 operations, which Microsoft's validator sends at once, about 1,000 e-mails, or 1,000 operations about 30.
 */
export const MAX_PATCH_LOOK_CHARACTERS = 3_000_000;
/** What a value costs besides its texts: 0.5 microseconds for its key, where a hundred characters that a filter looks at take less. */
const VALUE_CHARACTERS = 60;

/**
 * The resource after all operations, in their order. Applies all or throws Rejected; never changes its input, and shares with it
 * what stays the same. Values are checked once more, so that no operation stores what a POST would refuse, wherever it comes
 * from. `readOnly` has what only the service writes, as the client was shown it: `id`, `meta`.
 */
export const applyPatch = (
  definition: ResourceDefinition, resource: Resource, operations: readonly PatchOperation[], readOnly: JsonObject,
): Resource => {
  let result = resource;
  let looked = 0;
  for (const operation of operations) {
    const target = parseTarget(definition, operation.path);
    if (!target) throw new Rejected('invalidPath', `There is no attribute ${operation.path}.`);
    const change = toChange(target, operation.op, operation.value, []);
    if (!change) continue;
    looked += lookOf(change, result);
    if (looked > MAX_PATCH_LOOK_CHARACTERS) {
      throw new Rejected('invalidValue', `The operations look at more than ${MAX_PATCH_LOOK_CHARACTERS} characters of values, the last one at ${pathName(target.path)}: send fewer operations at once, or shorter filters.`);
    }
    if (isReadOnly(target)) requireSame(definition, change, { ...result, ...readOnly });
    else result = applyChange(change, result);
  }
  requireAttributes(definition, result);
  return result;
};

/** How much an operation looks at: see MAX_PATCH_LOOK_CHARACTERS. */
const lookOf = ({ target: { path, filter }, op, value }: Change, resource: Resource): number => {
  if (!path.attribute.multiValued && !filter) return 0;
  const [present, given] = [attributeValue(resource, path), Array.isArray(value) ? (value as readonly Json[]) : []];
  // A value that is listed without its key is held against every value.
  const comparisons = filter ? comparisonsOf(filter) : op === 'remove' ? given.filter((entry) => isJsonObject(entry) && entry.value === undefined).length : 0;
  return charactersOf(present) * (1 + comparisons) + charactersOf(given);
};

/** How many comparisons a filter makes with each value. */
export const comparisonsOf = (filter: Filter): number => {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return comparisonsOf(filter.left) + comparisonsOf(filter.right);
    case 'not':
    case 'valuePath':
      return comparisonsOf(filter.filter);
    default:
      return 1;
  }
};

const charactersOf = (value: Json | undefined): number => {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let sum = VALUE_CHARACTERS;
  for (const part of Array.isArray(value) ? (value as readonly Json[]) : Object.values(value as JsonObject)) sum += charactersOf(part);
  return sum;
};

/** A read-only attribute may be sent as it is; Okta sends `id`. Of an object each part has to be the same. */
const requireSame = (definition: ResourceDefinition, { target: { path, text }, value = null }: Change, shown: Resource): void => {
  const { attribute, subAttribute } = path;
  const whole = attributeValue(shown, path);
  const isSame = (part: Attribute | undefined, given: Json): boolean => {
    const present = !part ? whole : isJsonObject(whole) ? whole[part.name] : undefined;
    // One resource has many URIs: a proxy or another base path in front of the service makes more.
    if (attribute.name === 'meta' && part?.name === 'location') return String(given).endsWith(`${definition.endpoint}/${String(shown.id)}`);
    return isEqual(present, given) || (present === undefined && isNone(given));
  };
  const isRight = subAttribute || attribute.multiValued || !isJsonObject(value) ? isSame(subAttribute, value)
    : Object.entries(value).every(([name, given]) => {
        const part = findSubAttribute(attribute, name);
        return part === undefined || isSame(part, given);
      });
  if (!isRight) throw new Rejected('mutability', `${text} is read-only: leave it out.`);
};

/** RFC 7643 §2.5: null and an empty array say that there is no value, and so does an empty text in place of a list. */
const isNone = (value: Json): boolean => value === null || value === '' || (Array.isArray(value) && value.length === 0);

const applyChange = (change: Change, resource: Resource): Resource => {
  const { attribute, schema, extension } = change.target.path;
  const before = attributeValue(resource, change.target.path);
  const after = attribute.multiValued ? changedList(change, before) : changedSingle(change, before);
  if (isEqual(before, after)) return resource;
  if (after === undefined && attribute.required) {
    // RFC 7644 §3.5.2.2: a required attribute that would become unassigned is a mutability error.
    throw new Rejected('mutability', `${attribute.name} is required and cannot be removed.`);
  }
  if (!extension) return withPart(resource, attribute.name, after);
  const holder = resource[schema];
  return withPart(resource, schema, orNone(withPart(isJsonObject(holder) ? holder : {}, attribute.name, after)));
};

const withPart = (object: JsonObject, name: string, value: Json | undefined): JsonObject => {
  if (value !== undefined) return { ...object, [name]: value };
  const { [name]: _gone, ...rest } = object;
  return rest;
};

/** RFC 7643 §2.5: a complex value without parts is none. */
const orNone = (object: JsonObject): JsonObject | undefined => (Object.keys(object).length === 0 ? undefined : object);

/** The object with these parts, null ones removed; others stay (RFC 7644 §3.5.2.3). */
const merged = (object: JsonObject, parts: JsonObject): JsonObject => {
  let result = object;
  for (const [name, value] of Object.entries(parts)) result = withPart(result, name, value ?? undefined);
  // A $ref is the URI of the value: another value makes it point at somebody else.
  const isStale = 'value' in parts && !('$ref' in parts) && !isEqual(parts.value, object.value);
  return isStale ? withPart(result, '$ref', undefined) : result;
};

/** The parts that a change writes; null = the part goes. */
const partsOf = ({ target: { path: { subAttribute } }, op, value }: Change): JsonObject => {
  if (subAttribute) return { [subAttribute.name]: op === 'remove' ? null : (value ?? null) };
  return isJsonObject(value) ? value : {};
};

const changedSingle = (change: Change, before: Json | undefined): Json | undefined => {
  const { target, target: { filter, path: { attribute, subAttribute } } } = change;
  // remove manager[value eq "x"]: the filter is a condition.
  if (filter && !(isJsonObject(before) && valueMatcher(filter)(before))) {
    if (change.op === 'remove') return before;
    if (before !== undefined) throw new Rejected('noTarget', `${target.text} does not match what is there.`);
    return orNone(merged(newElement(target), partsOf(change)));
  }
  if (change.op === 'remove' && !subAttribute) return undefined;
  if (attribute.type !== 'complex') return change.value;
  return orNone(merged(isJsonObject(before) ? before : {}, partsOf(change)));
};

const changedList = (change: Change, before: Json | undefined): Json | undefined => {
  const { target } = change;
  const values = Array.isArray(before) ? (before as readonly Json[]) : [];
  const isOfElements = target.filter !== null || target.path.subAttribute !== undefined;
  if (change.op === 'remove') requireHit(change, values);
  const changed = isOfElements ? changedElements(change, values.filter(isJsonObject)) : changedWhole(change, values);
  // Two values may have become the same, or been so for long.
  const after = distinctValues(target.path.attribute, changed);
  requireFewValues(target.text, after.length);
  return after.length === 0 ? undefined : after;
};

/**
 * Throws Rejected(noTarget) where a remove of a role picks none by anything but its value: it would stay, and the client believe it gone. By
 * its value a role is named for certain, and it may have gone before.
 */
const requireHit = ({ target: { path, filter, text }, value }: Change, values: readonly Json[]): void => {
  if (values.length === 0 || path.extension || !givesAccess(path.attribute.name)) return;
  const listed = Array.isArray(value) ? (value as readonly Json[]) : [];
  const missed = filter ? !asksForValue(filter) && !values.some(valueMatcher(filter))
    : listed.some(missing(path.attribute, values));
  if (missed) throw new Rejected('noTarget', `What the remove of ${text} names is none of the ${path.attribute.name} that are there: name it by its value, ${path.attribute.name}[value eq "…"].`);
};

/** Tells whether a listed value hits none, although one may be meant: by what is no value, or by a value that is there with another type. */
const missing = (attribute: Attribute, values: readonly Json[]): ((entry: Json) => boolean) => {
  const keys = new Set(values.map((element) => keyOf(attribute, element)));
  const ofAnyType = new Set(values.map((element) => keyOf(attribute, { value: isJsonObject(element) ? (element.value ?? null) : null })));
  return (entry) => {
    if (!isJsonObject(entry)) return false;
    const { type, value } = entry;
    if (value === undefined) return !values.some((element) => hasParts(element, entry));
    return !keys.has(keyOf(attribute, entry)) && (isRoleText(value) || (type !== undefined && ofAnyType.has(keyOf(attribute, { value }))));
  };
};

const asksForValue = (filter: Filter): boolean => {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return asksForValue(filter.left) || asksForValue(filter.right);
    case 'not':
    case 'valuePath':
      return asksForValue(filter.filter);
    default:
      return filter.path.subAttribute?.name === 'value';
  }
};

const hasParts = (element: Json, parts: JsonObject): boolean =>
  isJsonObject(element) && Object.entries(parts).every(([name, part]) => isEqual(element[name], part));

const changedWhole = ({ target: { path: { attribute } }, op, value }: Change, values: readonly Json[]): readonly Json[] => {
  const given = Array.isArray(value) ? (value as readonly Json[]) : [];
  switch (op) {
    case 'replace':
      return given;
    case 'add':
      return addedTo(attribute, values, given);
    case 'remove':
      return value === undefined ? [] : values.filter(keptAfterRemoving(attribute, given));
  }
};

/** RFC 7644 §3.5.2.1: what is there already is not added again; a known value takes the parts that came with it. */
const addedTo = (attribute: Attribute, values: readonly Json[], added: readonly Json[]): readonly Json[] => {
  const result = [...values];
  // By key, so that a thousand additions to a thousand values stay a thousand steps.
  const places = new Map(values.map((value, index) => [keyOf(attribute, value), index]));
  const marked = new Set<Json>();
  for (const value of added) {
    const key = keyOf(attribute, value);
    const place = places.get(key);
    const known = place === undefined ? undefined : result[place];
    const next = isJsonObject(known) && isJsonObject(value) ? merged(known, value) : value;
    if (place === undefined) places.set(key, result.push(next) - 1);
    else result[place] = next;
    if (isPrimary(value) || (known !== undefined && marked.has(known))) marked.add(next);
  }
  return onePrimary(result, marked);
};

/**
 * Entra removes by a list of values, which RFC 7644 does not know: only these go, never all. A listed value without `value`
 * means the elements that have all its parts.
 */
const keptAfterRemoving = (attribute: Attribute, listed: readonly Json[]): ((element: Json) => boolean) => {
  const keys = new Set<string>();
  const descriptions: JsonObject[] = [];
  for (const entry of listed) {
    if (isJsonObject(entry) && entry.value === undefined) descriptions.push(entry);
    else keys.add(keyOf(attribute, entry));
  }
  return (element) => {
    if (keys.has(keyOf(attribute, element))) return false;
    if (!isJsonObject(element)) return true;
    // Listed without a type, a value means that value of any type.
    if (element.value !== undefined && keys.has(keyOf(attribute, { value: element.value }))) return false;
    return !descriptions.some((parts) => hasParts(element, parts));
  };
};

const changedElements = (change: Change, elements: readonly JsonObject[]): readonly Json[] => {
  const { target, op } = change;
  const { filter, path: { subAttribute } } = target;
  const parts = partsOf(change);
  const isHit: (element: JsonObject) => boolean = filter === null ? () => true : valueMatcher(filter);
  if (op === 'remove') {
    if (!subAttribute) return elements.filter((element) => !isHit(element));
    return elements.flatMap((element) => (isHit(element) ? withoutHusk(merged(element, parts)) : element));
  }
  const marked = new Set<Json>();
  let isWritten = false;
  const after = elements.map((element) => {
    if (!isHit(element)) return element;
    isWritten = true;
    // RFC 7644 §3.5.2.3: without a part, the element as a whole is replaced; it stays the one that the filter names.
    const next = op === 'replace' && !subAttribute && filter ? { ...named(filter), ...parts } : merged(element, parts);
    if (isPrimary(parts)) marked.add(next);
    return next;
  });
  if (!isWritten) {
    const created = merged(newElement(target), parts);
    marked.add(created);
    after.push(created);
  }
  return onePrimary(after, marked);
};

/** What is left of an element when its last value is removed, a type and a mark, says nothing. */
const withoutHusk = (element: JsonObject): JsonObject[] =>
  Object.keys(element).every((name) => name === 'type' || name === 'primary') ? [] : [element];

/**
 * A path filter that matches nothing creates its element. RFC 7644 §3.5.2.3 wants noTarget, but Entra sends such paths for every
 * first e-mail or phone number, and noTarget would refuse the whole request.
 */
const newElement = ({ filter, text }: Target): JsonObject => {
  const element = filter ? named(filter) : {};
  if (filter && !valueMatcher(filter)(element)) {
    throw new Rejected('noTarget', `${text} matches no value, and its filter does not say what a new one would be.`);
  }
  return element;
};

/** What a filter says about the element that it looks for: `type eq "work"` → `{type: 'work'}`. */
const named = (filter: Filter): JsonObject => {
  if (filter.kind === 'and') return { ...named(filter.left), ...named(filter.right) };
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || filter.value === null || !filter.path.subAttribute) return {};
  return { [filter.path.subAttribute.name]: filter.value };
};

/** RFC 7644 §3.5.2: a value that is marked as primary takes the mark from the others. `marked` = those that an operation marks. */
const onePrimary = (values: readonly Json[], marked: ReadonlySet<Json>): readonly Json[] => {
  const chosen = values.findLast((value) => marked.has(value) && isPrimary(value));
  if (chosen === undefined) return values;
  return values.map((value) => (value !== chosen && isPrimary(value) ? { ...value, primary: false } : value));
};
