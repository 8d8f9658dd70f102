import { Patch } from './apply-patch.js';
import type { Filter } from './filter.js';
import { fold } from './fold.js';
import { isJsonObject, type Json, type JsonObject } from './json.js';
import { withSimplePart } from './parts.js';
import { isReadOnly, toChange, type Target } from './patch.js';
import { isStored, requireAttributes, type Resource } from './resource.js';
import { pathName, type Attribute, type ResourceDefinition } from './schema.js';
import { givesAccess, simpleParser } from './value.js';

/**
 * A resource into which values are written, each as a PATCH that replaces what is at its target would. Never changes
 * the resource that it was given.
 */
export class Writing {
  /** For writers alone. */
  readonly patch: Patch;

  constructor(
    private readonly definition: ResourceDefinition,
    resource: Resource,
  ) {
    this.patch = new Patch(resource);
  }

  /** Throws Rejected for a value that does not fit. */
  set(target: Target, value: unknown): void {
    const change = toChange(target, 'replace', value, []);
    if (change) this.patch.apply(change);
  }

  /** Throws Rejected where a required value is missing. */
  result(): Resource {
    const result = this.patch.result();
    requireAttributes(this.definition, result);
    return result;
  }
}

/** Does what `writing.set` does at one target. */
export type Writer = (writing: Writing, value: unknown) => void;

/**
 * The writer of a target, for many resources: what the target says is found once. Nearly all values are a text, a number
 * or a Boolean for a single attribute, for a part of one, or for a part of the value that a filter picks by its type.
 * These go straight to their place, in a third of the time; anything else is a change as in a PATCH.
 */
export const writerOf = (target: Target): Writer => {
  const { path, filter } = target;
  const { attribute, subAttribute } = path;
  const asPatch: Writer = (writing, value) => writing.set(target, value);
  const leaf = subAttribute ?? attribute;
  if (isReadOnly(target) || !isStored(path) || leaf.type === 'complex' || leaf.multiValued) return asPatch;
  if (givesAccess(attribute.name)) return asPatch;
  const parse = simpleParser(leaf, pathName(path));
  const writeSimple = filter
    ? intoPicked(target, parse)
    : attribute.multiValued
      ? undefined
      : subAttribute
        ? intoPart(target, subAttribute, parse)
        : intoAttribute(target, parse);
  if (!writeSimple) return asPatch;
  return (writing, value) => {
    if (!isSimple(leaf, value) || !writeSimple(writing.patch, value)) asPatch(writing, value);
  };
};

/** An empty text is a value only of a string (RFC 7643 §2.5). */
const isSimple = ({ type }: Attribute, value: unknown): value is Simple =>
  typeof value === 'string'
    ? value !== '' || type === 'string'
    : typeof value === 'boolean' || typeof value === 'number';

type Simple = string | number | boolean;
/** False where the value has to be written as in a PATCH: nothing is changed then. */
type WriteSimple = (patch: Patch, value: Simple) => boolean;
type Parse = (value: unknown) => Json;

const intoAttribute =
  ({ path }: Target, parse: Parse): WriteSimple =>
  (patch, value) => {
    patch.write(path, parse(value));
    return true;
  };

const intoPart =
  ({ path }: Target, { name }: Attribute, parse: Parse): WriteSimple =>
  (patch, value) => {
    const before = patch.read(path);
    if (before === undefined) patch.write(path, { [name]: parse(value) });
    else if (isJsonObject(before)) patch.write(path, withSimplePart(before, name, parse(value)));
    else return false;
    return true;
  };

/**
 * So few values, of types that are so short, are looked at without being counted (MAX_PATCH_LOOK_CHARACTERS): a thousand
 * of such writes take a third of what is allowed.
 */
const MAX_FEW_VALUES = 8;
const MAX_SHORT_CHARACTERS = 100;

/** Into the value of a list that has a type, as in `emails[type eq "work"].value`. */
const intoPicked = ({ path, filter }: Target, parse: Parse): WriteSimple | undefined => {
  const { attribute, subAttribute } = path;
  const type = filter ? typeIn(filter) : undefined;
  if (type === undefined || !attribute.multiValued || !subAttribute) return undefined;
  const { name } = subAttribute;
  // Another type may make two values the same, and the mark as primary is taken from all others.
  if (name === 'type' || name === 'primary') return undefined;
  const folded = fold(type);
  return (patch, value) => {
    const before = patch.hasList(attribute) ? undefined : (patch.read(path) ?? NONE);
    if (!Array.isArray(before)) return false;
    const values = before as readonly Json[];
    const place = placeOf(folded, values);
    if (place === UNKNOWN) return false;
    const parsed = parse(value);
    if (place < 0) {
      patch.write(path, [...values, { type, [name]: parsed }]);
      return true;
    }
    const element = values[place] as JsonObject;
    const after = withSimplePart(element, name, parsed);
    if (after !== element) patch.write(path, values.with(place, after));
    return true;
  };
};
const NONE: readonly Json[] = [];

/** The type that a filter asks for, if it asks for nothing else. */
const typeIn = (filter: Filter): string | undefined => {
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || typeof filter.value !== 'string') return undefined;
  const part = filter.path.subAttribute;
  const isType = part?.name === 'type' && part.type === 'string' && !part.caseExact;
  return isType && filter.value.length <= MAX_SHORT_CHARACTERS ? filter.value : undefined;
};

/** Nowhere is -1. Unknown: two values may be the same, and would become one. */
const UNKNOWN = -2;

/** The place of the value of a type, where no two values have the same one, so that all stay different values. */
const placeOf = (folded: string, values: readonly Json[]): number => {
  if (values.length > MAX_FEW_VALUES) return UNKNOWN;
  let place = -1;
  const types: (string | undefined)[] = [];
  for (const [index, value] of values.entries()) {
    const type = isJsonObject(value) ? value.type : null;
    if (type !== undefined && (typeof type !== 'string' || type.length > MAX_SHORT_CHARACTERS)) return UNKNOWN;
    const own = type === undefined ? undefined : fold(type);
    if (types.includes(own)) return UNKNOWN;
    types.push(own);
    if (own === folded) place = index;
  }
  return place;
};
