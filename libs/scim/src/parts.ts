import { isEqual, isJsonObject, type Json, type JsonObject } from './json.js';

/**
 * The cost of a value besides its texts: half a microsecond for its key, where a hundred characters that a filter looks
 * at take less.
 */
const VALUE_CHARACTERS = 60;
const PART_CHARACTERS = 10;

/**
 * The work of looking at a value, in characters: its texts, and something for each value and each part that is no text.
 */
export const charactersOf = (value: Json | undefined): number => {
  if (!Array.isArray(value)) return ofValue(value);
  let sum = 0;
  for (const element of value as readonly Json[]) sum += VALUE_CHARACTERS + ofValue(element);
  return sum;
};

const ofValue = (value: Json | undefined): number => {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return PART_CHARACTERS;
  let sum = 0;
  for (const name in value) sum += ofValue((value as JsonObject)[name]);
  return sum;
};

/** The object with this part in place of its old one; undefined takes the part away. Itself where nothing changes. */
export const withPart = (object: JsonObject, name: string, value: Json | undefined): JsonObject => {
  if (value !== undefined) return isEqual(object[name], value) ? object : { ...object, [name]: value };
  if (!Object.hasOwn(object, name)) return object;
  const { [name]: _gone, ...rest } = object;
  return rest;
};

/** The object with these parts, null ones removed; others stay (RFC 7644 §3.5.2.3). */
export const merged = (object: JsonObject, parts: JsonObject): JsonObject => {
  let result = object;
  for (const name of Object.keys(parts)) result = withPart(result, name, parts[name] ?? undefined);
  // A $ref is the URI of the value: another value makes it point at somebody else.
  const isStale = 'value' in parts && !('$ref' in parts) && !isEqual(parts.value, object.value);
  return isStale ? withPart(result, '$ref', undefined) : result;
};

/** The same for one part that is a text, a number or a Boolean. */
export const withSimplePart = (object: JsonObject, name: string, value: Json): JsonObject => {
  if (object[name] === value) return object;
  const result = { ...object, [name]: value };
  return name === 'value' ? withPart(result, '$ref', undefined) : result;
};

/** Tells whether a value is an object that has all these parts. */
export const hasParts = (value: Json, parts: JsonObject): boolean =>
  isJsonObject(value) && Object.keys(parts).every((name) => isEqual(value[name], parts[name]));
