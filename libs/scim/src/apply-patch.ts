import { Rejected } from './error.js';
import type { Filter } from './filter.js';
import { isEqual, isJsonObject, type Json, type JsonObject } from './json.js';
import { rememberingFold, valueMatcher, type Fold } from './matches.js';
import { charactersOf, merged, withPart } from './parts.js';
import { isReadOnly, parseTarget, toChange, type Change, type PatchOperation, type Target } from './patch.js';
import { attributeValue, requireAttributes, type Resource } from './resource.js';
import { findSubAttribute, pathName, type Attribute, type AttributePath, type ResourceDefinition } from './schema.js';
import { ValueList } from './value-list.js';
import { givesAccess, isPrimary, requireFewValues } from './value.js';

/**
 * The operations of one request may look at so much, in characters of values: those that an operation gives, and for a
 * filter those that are there, once, and again for each of its comparisons. One request of a thousand filters, about a
 * thousand long values, stopped the service for two minutes; this is about 20 ms. Counted, not timed: a request that is
 * carried out on one machine is carried out on each.
 */
export const MAX_PATCH_LOOK_CHARACTERS = 3_000_000;

/**
 * The resource after all operations, in their order. Applies all or throws Rejected; never changes its input, and
 * shares with it what stays the same. Values are checked once more, so that no operation stores what a POST would
 * refuse, wherever it comes from. `readOnly` has what only the service writes, as the client was shown it: `id`,
 * `meta`.
 */
export const applyPatch = (
  definition: ResourceDefinition,
  resource: Resource,
  operations: readonly PatchOperation[],
  readOnly: JsonObject,
): Resource => {
  const patch = new Patch(resource);
  for (const operation of operations) {
    const target = parseTarget(definition, operation.path);
    if (!target) throw new Rejected('invalidPath', `There is no attribute ${operation.path}.`);
    const change = toChange(target, operation.op, operation.value, []);
    if (!change) continue;
    if (isReadOnly(target)) requireSame(definition, change, { ...resource, ...readOnly });
    else patch.apply(change);
  }
  const result = patch.result();
  requireAttributes(definition, result);
  return result;
};

/** A resource as the operations of one request have made it so far. */
export class Patch {
  private looked = 0;
  /** The multi-valued attributes that were changed, by attribute, until all operations are applied; null = none yet. */
  private lists: Map<Attribute, { readonly path: AttributePath; readonly list: ValueList }> | null = null;
  private remembering: Fold | null = null;
  /** The resource itself, once it is a copy that nobody else has. */
  private own: { [attribute: string]: Json } | null = null;

  constructor(private resource: Resource) {}

  private get foldOnce(): Fold {
    return (this.remembering ??= rememberingFold());
  }

  apply(change: Change): void {
    const {
      target: { path },
    } = change;
    if (path.attribute.multiValued) {
      const list = this.listAt(path);
      const wasEmpty = list.size === 0;
      changeList(change, list, this.foldOnce, (characters) => this.look(path, characters));
      requireFewValues(change.target.text, list.size);
      if (list.size === 0 && !wasEmpty) requireNotRequired(path.attribute);
      return;
    }
    const before = attributeValue(this.resource, path);
    if (change.target.filter) this.look(path, charactersOf(before) * (1 + comparisonsOf(change.target.filter)));
    const after = changedSingle(change, before, this.foldOnce);
    if (isEqual(before, after)) return;
    if (after === undefined) requireNotRequired(path.attribute);
    this.write(path, after);
  }

  result(): Resource {
    if (!this.lists) return this.resource;
    for (const { path, list } of this.lists.values()) {
      const [before, after] = [attributeValue(this.resource, path), list.stored()];
      if (before !== after) this.write(path, after);
    }
    return this.resource;
  }

  private listAt(path: AttributePath): ValueList {
    this.lists ??= new Map();
    const known = this.lists.get(path.attribute)?.list;
    if (known) return known;
    const list = new ValueList(path.attribute, attributeValue(this.resource, path));
    this.look(path, list.characters);
    this.lists.set(path.attribute, { path, list });
    return list;
  }

  /** The value of the whole attribute, unless it is a list that was changed. */
  read(path: AttributePath): Json | undefined {
    return attributeValue(this.resource, path);
  }

  /** Tells whether the attribute is a list that was changed. */
  hasList(attribute: Attribute): boolean {
    return this.lists !== null && this.lists.has(attribute);
  }

  /** The value of the whole attribute, in its stored form, which was compared already. */
  write({ attribute: { name }, schema, extension }: AttributePath, value: Json | undefined): void {
    if (!extension) {
      this.put(name, value);
      return;
    }
    const holder = this.resource[schema];
    this.put(schema, orNone(withPart(isJsonObject(holder) ? holder : {}, name, value)));
  }

  /**
   * The resource is copied for the first value that changes, and not for each: ten copies took a third of a mapping.
   * Who calls this has compared the values already.
   */
  private put(name: string, value: Json | undefined): void {
    if (value === undefined) {
      this.resource = withPart(this.resource, name, undefined);
      this.own = null;
    } else if (this.resource[name] !== value) {
      this.own ??= { ...this.resource };
      this.own[name] = value;
      this.resource = this.own;
    }
  }

  /** Throws Rejected when it was too much: see MAX_PATCH_LOOK_CHARACTERS. */
  private look(path: AttributePath, characters: number): void {
    this.looked += characters;
    if (this.looked <= MAX_PATCH_LOOK_CHARACTERS) return;
    throw new Rejected(
      'invalidValue',
      `The operations look at more than ${MAX_PATCH_LOOK_CHARACTERS} characters of values, the last one at ${pathName(path)}: send fewer operations at once, or shorter filters.`,
    );
  }
}

/** RFC 7644 §3.5.2.2: a required attribute that would become unassigned is a mutability error. */
const requireNotRequired = ({ name, required }: Attribute): void => {
  if (required) throw new Rejected('mutability', `${name} is required and cannot be removed.`);
};

/** The number of comparisons that a filter makes with each value. */
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

/** A read-only attribute may be sent as it is; Okta sends `id`. Of an object each part has to be the same. */
const requireSame = (
  definition: ResourceDefinition,
  { target: { path, text }, value = null }: Change,
  shown: Resource,
): void => {
  const { attribute, subAttribute } = path;
  const whole = attributeValue(shown, path);
  const isSame = (part: Attribute | undefined, given: Json): boolean => {
    const present = !part ? whole : isJsonObject(whole) ? whole[part.name] : undefined;
    // One resource has many URIs: a proxy or another base path in front of the service makes more.
    if (attribute.name === 'meta' && part?.name === 'location')
      return String(given).endsWith(`${definition.endpoint}/${String(shown.id)}`);
    return isEqual(present, given) || (present === undefined && isNone(given));
  };
  const isRight =
    subAttribute || attribute.multiValued || !isJsonObject(value)
      ? isSame(subAttribute, value)
      : Object.entries(value).every(([name, given]) => {
          const part = findSubAttribute(attribute, name);
          return part === undefined || isSame(part, given);
        });
  if (!isRight) throw new Rejected('mutability', `${text} is read-only: leave it out.`);
};

/** RFC 7643 §2.5: null and an empty array say that there is no value, and so does an empty text in place of a list. */
const isNone = (value: Json): boolean => value === null || value === '' || (Array.isArray(value) && value.length === 0);

/** RFC 7643 §2.5: a complex value without parts is none. */
const orNone = (object: JsonObject): JsonObject | undefined => (Object.keys(object).length === 0 ? undefined : object);

/** The parts that a change writes; null = the part goes. */
const partsOf = ({
  target: {
    path: { subAttribute },
  },
  op,
  value,
}: Change): JsonObject => {
  if (subAttribute) return { [subAttribute.name]: op === 'remove' ? null : (value ?? null) };
  return isJsonObject(value) ? value : {};
};

const changedSingle = (change: Change, before: Json | undefined, foldOnce: Fold): Json | undefined => {
  const {
    target,
    target: {
      filter,
      path: { attribute, subAttribute },
    },
  } = change;
  // remove manager[value eq "x"]: the filter is a condition.
  if (filter && !(isJsonObject(before) && valueMatcher(filter, foldOnce)(before))) {
    if (change.op === 'remove') return before;
    if (before !== undefined) throw new Rejected('noTarget', `${target.text} does not match what is there.`);
    return orNone(merged(newElement(target, foldOnce), partsOf(change)));
  }
  if (change.op === 'remove' && !subAttribute) return undefined;
  if (attribute.type !== 'complex') return change.value;
  return orNone(merged(isJsonObject(before) ? before : {}, partsOf(change)));
};

/** `look` is told how much is looked at besides what the list was made of. */
const changeList = (change: Change, list: ValueList, foldOnce: Fold, look: (characters: number) => void): void => {
  const {
    target: {
      filter,
      path: { subAttribute },
    },
    op,
    value,
  } = change;
  const given = Array.isArray(value) ? (value as readonly Json[]) : [];
  // An entry that is listed without its value is held against every value.
  const isDescription = (entry: Json): boolean => isJsonObject(entry) && entry.value === undefined;
  const comparisons = filter ? comparisonsOf(filter) : op === 'remove' ? given.filter(isDescription).length : 0;
  const isOfElements = filter !== null || subAttribute !== undefined;
  // A value that is given is read, folded and put in its place.
  look(
    2 * charactersOf(value) +
      (isOfElements || comparisons > 0 || given.some(isPrimary) ? list.characters * (1 + comparisons) : 0),
  );
  if (op === 'remove') requireHit(change, list, foldOnce);
  if (isOfElements) changeElements(change, list, foldOnce);
  else if (op === 'add') list.add(given);
  else if (op === 'remove' && value !== undefined) list.removeListed(given);
  else list.replaceAll(given);
};

/**
 * Throws Rejected(noTarget) where a remove of a role picks none by anything but its value: it would stay, and the
 * client believe it gone. By its value a role is named for certain, and it may have gone before.
 */
const requireHit = ({ target: { path, filter, text }, value }: Change, list: ValueList, foldOnce: Fold): void => {
  if (list.size === 0 || path.extension || !givesAccess(path.attribute.name)) return;
  const listed = Array.isArray(value) ? (value as readonly Json[]) : [];
  const missed = filter
    ? !asksForValue(filter) && !list.some(valueMatcher(filter, foldOnce))
    : listed.some((entry) => list.isMissedBy(entry));
  if (missed)
    throw new Rejected(
      'noTarget',
      `The remove of ${text} names none of the ${path.attribute.name} that are there: name one by its value, ${path.attribute.name}[value eq "…"].`,
    );
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

const changeElements = (change: Change, list: ValueList, foldOnce: Fold): void => {
  const { target, op } = change;
  const {
    filter,
    path: { subAttribute },
  } = target;
  const parts = partsOf(change);
  const isHit: (element: Json) => element is JsonObject = (element): element is JsonObject =>
    isJsonObject(element) && (matcher?.(element) ?? true);
  const matcher = filter && valueMatcher(filter, foldOnce);
  const marked = new Set<Json>();
  if (op === 'remove') {
    list.change(
      (element) => (!isHit(element) ? element : subAttribute ? withoutHusk(merged(element, parts)) : null),
      marked,
    );
    return;
  }
  let isWritten = false;
  list.change(
    (element) => {
      if (!isHit(element)) return element;
      isWritten = true;
      // RFC 7644 §3.5.2.3: without a part, the element as a whole is replaced; it stays the one that the filter names.
      const next =
        op === 'replace' && !subAttribute && filter ? { ...named(filter), ...parts } : merged(element, parts);
      if (isPrimary(parts)) marked.add(next);
      return next;
    },
    marked,
    () => {
      if (isWritten) return null;
      const created = merged(newElement(target, foldOnce), parts);
      marked.add(created);
      return created;
    },
  );
};

/** A type and a mark, which are left of an element when its last value is removed, say nothing. */
const withoutHusk = (element: JsonObject): JsonObject | null =>
  Object.keys(element).every((name) => name === 'type' || name === 'primary') ? null : element;

/**
 * A path filter that matches nothing creates its element. RFC 7644 §3.5.2.3 wants noTarget, but Entra sends such paths
 * for every first e-mail or phone number, and noTarget would refuse the whole request.
 */
const newElement = ({ filter, text }: Target, foldOnce: Fold): JsonObject => {
  const element = filter ? named(filter) : {};
  if (filter && !valueMatcher(filter, foldOnce)(element)) {
    throw new Rejected('noTarget', `${text} matches no value, and its filter does not say what a new one would be.`);
  }
  return element;
};

/** The parts of the element that a filter looks for: `type eq "work"` → `{type: 'work'}`. */
const named = (filter: Filter): JsonObject => {
  if (filter.kind === 'and') return { ...named(filter.left), ...named(filter.right) };
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || filter.value === null || !filter.path.subAttribute)
    return {};
  return { [filter.path.subAttribute.name]: filter.value };
};
