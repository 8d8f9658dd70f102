import {
  applyChanges,
  diffResource,
  isEqual,
  isRejection,
  isWithin,
  localTarget,
  orRejection,
  rejection,
  tooLarge,
  valueAt,
  withValueAt,
  Writing,
  type Json,
  type Rejection,
  type Resource,
  type ResourceDefinition,
} from '#scim';
import type { AttributeChanges, SettingsReadBy, UserEvent } from '#contracts';

/** A user, as far as administrators own attributes of it. */
interface Administered {
  readonly id: string;
  readonly resource: Resource;
  /** The paths, in canonical text, whose values an administrator has set; left out = none. */
  readonly local?: readonly string[];
}

/** A directory, as far as it leaves attributes to administrators. */
type Leaves = Pick<SettingsReadBy<'identity'>, 'localAttributes'> & { readonly name: string };

/** A user as a directory wants it, with what administrators own in its place. */
interface Kept {
  readonly resource: Resource;
  /** The paths at which the directory wanted something else. */
  readonly leftOut: readonly string[];
}

const NONE: readonly string[] = [];

/**
 * Puts back what administrators have set of the attributes that the directory leaves to them. Any other attribute takes
 * the value of the directory.
 */
export const withLocal = (
  { resource: now, local = NONE }: Administered,
  wanted: Resource,
  directory: Leaves,
  definition: ResourceDefinition,
): Kept => {
  if (local.length === 0 || directory.localAttributes.length === 0) return { resource: wanted, leftOut: NONE };
  const left = leftToAdministrators(directory, definition);
  const leftOut = local.filter(
    (path) =>
      left.some((whole) => isWithin(path, whole)) &&
      !isEqual(valueAt(wanted, path) ?? null, valueAt(now, path) ?? null),
  );
  return { resource: leftOut.reduce((after, path) => withValueAt(after, path, valueAt(now, path)), wanted), leftOut };
};

/** A user as an unlink makes it, with what administrators have set since. */
export const withAllLocal = ({ resource: now, local = NONE }: Administered, after: Resource): Resource =>
  local.reduce((kept, path) => withValueAt(kept, path, valueAt(now, path)), after);

/** An event says which attributes a directory wanted otherwise, if there are any. */
export const told = ({ leftOut }: Kept): { readonly leftOut?: readonly string[] } =>
  leftOut.length === 0 ? {} : { leftOut };

/** The marks of a user whom a directory has changed: where it has written another value, its own counts from now on. */
const stillLocal = (
  local: readonly string[],
  before: Resource,
  after: Resource,
): { readonly local?: readonly string[] } =>
  marked(local.filter((path) => isEqual(valueAt(before, path) ?? null, valueAt(after, path) ?? null)));

/** The user after a change by a directory. */
export const changedByItsDirectory = <User extends Administered>(user: User, changes: AttributeChanges): User => {
  const resource = applyChanges(user.resource, changes);
  if (!user.local) return { ...user, resource };
  const { local, ...rest } = user;
  return { ...rest, ...stillLocal(local, user.resource, resource), resource } as User;
};

/** The user after an administrator has set attributes. */
export const afterSetting = <User extends Administered>(
  user: User,
  { changes, local }: { readonly changes: AttributeChanges; readonly local: readonly string[] },
): User => {
  const { local: _before, ...rest } = user;
  return { ...rest, ...marked(local), resource: applyChanges(user.resource, changes) } as User;
};

/** The marks of a user: none are left out. */
export const marked = (local: readonly string[]): { readonly local?: readonly string[] } =>
  local.length === 0 ? {} : { local };

/**
 * Returns the event by which an administrator sets attributes. A change to null gives an attribute back: it has no value until the directory writes one.
 */
export const attributesSet = (
  user: Administered & { readonly directory: string | null },
  changes: AttributeChanges,
  context: {
    readonly definition: ResourceDefinition;
    readonly maxResourceBytes: number;
    readonly directoryOf: (id: string) => Leaves | null;
  },
): UserEvent[] | Rejection => {
  const { definition, maxResourceBytes } = context;
  const directory = user.directory === null ? null : context.directoryOf(user.directory);
  const before = user.local ?? NONE;
  const set = orRejection(() => {
    const writing = new Writing(definition, user.resource);
    let local = before;
    for (const [name, value] of Object.entries(changes)) {
      const target = localTarget(definition, name);
      const path = target.text;
      const refused = notLeft(path, directory, definition) ?? (value === null ? partOfLocal(path, local) : null);
      if (refused) return refused;
      writing.set(target, value);
      local = marksAfter(local, path, value);
    }
    return { resource: writing.result(), local: local.toSorted() };
  });
  if (isRejection(set)) return set;
  const changed = diffResource(user.resource, set.resource);
  if (Object.keys(changed).length === 0 && isEqual(set.local, before)) return [];
  return (
    tooLarge(definition, user.resource, set.resource, maxResourceBytes) ?? [
      { type: 'AttributesSet', changes: changed, local: set.local },
    ]
  );
};

/** One mark stands for a path and all of its parts. */
const marksAfter = (local: readonly string[], path: string, value: Json | null): readonly string[] => {
  const others = local.filter((known) => !isWithin(known, path));
  return value === null || others.some((whole) => isWithin(path, whole)) ? others : [...others, path];
};

const notLeft = (path: string, directory: Leaves | null, definition: ResourceDefinition): Rejection | null =>
  directory === null || leftToAdministrators(directory, definition).some((whole) => isWithin(path, whole))
    ? null
    : rejection(
        'conflict',
        `${path} belongs to the directory "${directory.name}", which manages the user: change it at the identity provider, or leave it to administrators with the setting localAttributes.`,
      );

const partOfLocal = (path: string, local: readonly string[]): Rejection | null => {
  const whole = local.find((known) => known !== path && isWithin(path, known));
  return whole === undefined
    ? null
    : rejection('conflict', `${path} was set as a part of ${whole}: give that back as a whole.`);
};

/** The canonical paths of a directory; a directory as it was loaded is one object, and never changes. */
const READ = new WeakMap<Leaves, { readonly definition: ResourceDefinition; readonly paths: readonly string[] }>();

const leftToAdministrators = (directory: Leaves, definition: ResourceDefinition): readonly string[] => {
  const known = READ.get(directory);
  if (known?.definition === definition) return known.paths;
  // A path that was saved may name an attribute that the tenant has no more.
  const paths = directory.localAttributes.flatMap((path) => {
    const target = orRejection(() => localTarget(definition, path));
    return isRejection(target) ? [] : [target.text];
  });
  READ.set(directory, { definition, paths });
  return paths;
};
