import { GROUP, parseTarget, Rejected, type Filter, type Json, type PatchOperation } from '#scim';

/** One operation of a PATCH, as far as it is about memberships. Ids are in lower case where they are UUIDs. */
export type MemberChange =
  | { readonly op: 'add' | 'remove'; readonly ids: readonly string[] }
  /** These are all: whoever else is a member leaves. */
  | { readonly op: 'replace'; readonly ids: readonly string[] }
  /** The members for whom the filter is true leave. */
  | { readonly op: 'removeWhere'; readonly filter: Filter };

/**
 * Operations on attributes of the group itself, and changes of memberships, each in its order: they have nothing to do
 * with each other.
 */
export interface SplitOperations {
  readonly attributes: readonly PatchOperation[];
  readonly members: readonly MemberChange[];
}

/** Throws Rejected: mutability, noTarget, invalidPath or invalidValue. */
export const splitOperations = (operations: readonly PatchOperation[]): SplitOperations => ({
  attributes: operations.filter(({ path }) => !isOfMembers(path)),
  members: operations.filter(({ path }) => isOfMembers(path)).flatMap(changesOf),
});

const isOfMembers = (path: string): boolean => /^members($|[[.])/.test(path);

const changesOf = ({ op, path, value }: PatchOperation): readonly MemberChange[] => {
  const target = parseTarget(GROUP, path);
  if (!target) throw new Rejected('invalidPath', `There is no attribute ${path}.`);
  const {
    path: { subAttribute },
  } = target;
  const filter = target.filter && withStoredIds(target.filter);
  if (!filter) {
    if (subAttribute) throw new Rejected('mutability', `${path} cannot be changed: add members, or remove them.`);
    if (op !== 'remove') return [{ op, ids: idsIn(value) }];
    // RFC 7644 §3.5.2.2: without a value everybody goes; with one, as Entra sends it, those that it names.
    return [value === undefined ? { op: 'replace', ids: [] } : { op, ids: idsIn(value) }];
  }
  if (subAttribute && subAttribute.name !== 'value')
    throw new Rejected('mutability', `${path} cannot be changed: remove the member, or add another.`);
  // Under which address and name a member is shown, a group does not know.
  for (const part of ['$ref', 'display']) {
    if (asksFor(filter, part))
      throw new Rejected(
        'invalidPath',
        `${path} must not pick members by ${part}: name their ids, members[value eq "<id>"].`,
      );
  }
  const picked = idsOf(filter);
  if (op === 'remove') return [picked ? { op, ids: picked } : { op: 'removeWhere', filter }];
  const [only] = picked ?? [];
  if (only === undefined || picked!.length > 1)
    throw new Rejected('noTarget', `${path} must name one member: members[value eq "<id>"].`);
  const given = subAttribute ? value : (value as { readonly value?: Json } | undefined)?.value;
  if (typeof given !== 'string' || normal(given) === only) return [{ op: 'add', ids: [only] }];
  return [
    { op: 'remove', ids: [only] },
    { op: 'add', ids: [normal(given)] },
  ];
};

/** The ids in a list of members. Throws Rejected(invalidValue) for a member without one. */
export const idsIn = (value: Json | undefined): string[] =>
  ([value ?? []].flat() as Json[]).map((member) => {
    const id = (member as { readonly value?: Json } | null)?.value;
    if (typeof id !== 'string')
      throw new Rejected('invalidValue', 'Each member needs a value: the id of a user or of a group.');
    return normal(id);
  });

/** The ids of `value eq "a" or value eq "b"`; null when the filter says anything else. */
const idsOf = (filter: Filter): string[] | null => {
  if (filter.kind === 'or') {
    const [left, right] = [idsOf(filter.left), idsOf(filter.right)];
    return left && right ? [...left, ...right] : null;
  }
  const isId = filter.kind === 'compare' && filter.operator === 'eq' && filter.path.subAttribute?.name === 'value';
  return isId && typeof filter.value === 'string' ? [filter.value] : null;
};

/** The same filter, its ids as they are stored: a client may write them in any case, wherever it names a member. */
const withStoredIds = (filter: Filter): Filter => {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return { ...filter, left: withStoredIds(filter.left), right: withStoredIds(filter.right) };
    case 'not':
    case 'valuePath':
      return { ...filter, filter: withStoredIds(filter.filter) };
    case 'compare':
      return filter.path.subAttribute?.name === 'value' && typeof filter.value === 'string'
        ? { ...filter, value: normal(filter.value) }
        : filter;
    default:
      return filter;
  }
};

const asksFor = (filter: Filter, part: string): boolean => {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return asksFor(filter.left, part) || asksFor(filter.right, part);
    case 'not':
    case 'valuePath':
      return asksFor(filter.filter, part);
    default:
      return filter.path.subAttribute?.name === part;
  }
};

/** As ids are stored; what is none stays what it is, and is no member. */
const normal = (id: string): string => id.toLowerCase();
