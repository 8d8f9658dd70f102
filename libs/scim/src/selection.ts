import { Rejected } from './error.js';
import { isJsonObject, type Json } from './json.js';
import { findPath, findSchema, pathName, type ResourceDefinition } from './schema.js';

/** Length of a list of attributes, in UTF-16 units: all that there are, with their parts and URNs, take 7,000. */
export const MAX_SELECTION_CHARACTERS = 16_384;

/** The attributes that a client wants to see (RFC 7644 §3.9): canonical paths, or URNs of whole extensions. */
export interface Selection {
  readonly kind: 'only' | 'without';
  readonly paths: ReadonlySet<string>;
}

/**
 * Throws Rejected(invalidValue) when both parameters are given, or one is too long. Unknown names select nothing;
 * undefined = everything.
 */
export const parseSelection = (
  definition: ResourceDefinition,
  attributes?: string,
  excludedAttributes?: string,
): Selection | undefined => {
  if (attributes && excludedAttributes) {
    throw new Rejected('invalidValue', 'Give either attributes or excludedAttributes, not both (RFC 7644 §3.9).');
  }
  const list = attributes || excludedAttributes;
  if (!list) return undefined;
  if (list.length > MAX_SELECTION_CHARACTERS) {
    throw new Rejected(
      'invalidValue',
      `The list of attributes has ${list.length} characters; the limit is ${MAX_SELECTION_CHARACTERS}.`,
    );
  }
  const paths = new Set<string>();
  for (const text of (attributes ? withoutFilters(list) : list).split(',')) {
    const name = text.trim();
    const schema = findSchema(definition, name);
    const path = findPath(definition, name);
    // All that the core has, which is not below its URN (RFC 7643 §3.1 counts id, externalId and meta to it).
    if (schema)
      for (const { attribute } of schema.extension ? [] : schema.attributes.values()) paths.add(attribute.name);
    if (schema?.extension) paths.add(schema.id);
    else if (path) paths.add(pathName(path));
  }
  return { kind: attributes ? 'only' : 'without', paths };
};

/**
 * Some clients name the values that they want as well, `emails[type eq "work"]`, as Microsoft's published collection
 * does. They get all values, as others do who name the attribute. An excluded attribute is not read like this: it would
 * hide values that were not named.
 */
const withoutFilters = (list: string): string => list.replaceAll(/\[[^[\]]*\]/g, '');

/** The part of a value that is wanted, undefined = none. `path` is the canonical path of the value. */
export const select = ({ kind, paths }: Selection, path: string, value: Json): Json | undefined => {
  const choose = (at: string, part: Json, separator: ':' | '.'): Json | undefined => {
    if (paths.has(at)) return kind === 'only' ? part : undefined;
    if (Array.isArray(part)) return nonEmptyList(part.flatMap((element: Json) => choose(at, element, '.') ?? []));
    if (!isJsonObject(part)) return kind === 'only' ? undefined : part;
    const chosen: [string, Json][] = [];
    for (const [name, element] of Object.entries(part)) {
      const wanted = choose(`${at}${separator}${name}`, element, '.');
      if (wanted !== undefined) chosen.push([name, wanted]);
    }
    return chosen.length === 0 ? undefined : Object.fromEntries(chosen);
  };
  // Below the URN of an extension stand attributes, below an attribute its parts.
  return choose(path, value, path.startsWith('urn:') ? ':' : '.');
};

/**
 * The part of a value of an attribute that is wanted, undefined = none: for what is not rendered with the rest of its
 * resource.
 */
export const pickAttribute = (selection: Selection | undefined, path: string, value: Json): Json | undefined =>
  selection ? select(selection, path, value) : value;

const nonEmptyList = (list: Json[]): Json[] | undefined => (list.length === 0 ? undefined : list);
