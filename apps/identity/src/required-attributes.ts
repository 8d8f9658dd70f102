import {
  isRejection,
  orRejection,
  parseRequired,
  quote,
  rejection,
  unknownRolesOf,
  WEB_ROLES,
  type Rejection,
  type RequiredAttribute,
  type Resource,
  type ResourceDefinition,
} from '#scim';
import type { Held, SettingsReadBy } from '#contracts';
import { isActive } from './identifiers.js';

/** A directory, as far as it asks for something. */
type Asks = Pick<SettingsReadBy<'identity'>, 'requiredAttributes' | 'unknownRoles'> & { readonly name: string };

/** A write of a directory. */
interface Write {
  /** The user before; null = the directory has not had it before, or its write says all that the user shall have. */
  readonly before: Resource | null;
  readonly after: Resource;
  readonly held: Held | null;
}

/**
 * Returns why the directory may not write the user so: something that it asks for is missing, or a role is unknown. A
 * PATCH of a user who lacks something already is refused only where it takes more away, or lets the user in. Nobody
 * keeps access for lacking something: what archives is not asked, and nothing is asked of a user who is held.
 */
export const lacking = (
  { before, after, held }: Write,
  wasActive: boolean,
  directory: Asks,
  definition: ResourceDefinition,
): Rejection | null => {
  if (directory.requiredAttributes.length === 0 && directory.unknownRoles === 'keep') return null;
  if ((held && !held.letIn) || (wasActive && !isActive(after))) return null;
  const isLetIn = before === null || (!wasActive && isActive(after));
  return missing(isLetIn ? null : before, after, directory, definition) ?? unknownRole(before, after, directory);
};

const missing = (
  before: Resource | null,
  after: Resource,
  directory: Asks,
  definition: ResourceDefinition,
): Rejection | null => {
  const required = requiredOf(directory, definition);
  if (isRejection(required)) return required;
  const paths = required
    .filter(({ isThere }) => !isThere(after) && (before === null || isThere(before)))
    .map(({ path }) => path);
  return paths.length === 0
    ? null
    : rejection(
        'invalidValue',
        `The directory "${directory.name}" asks for ${listed(paths)}, which the user would not have. Send a value, or let an administrator of Muster change the setting requiredAttributes.`,
      );
};

/** Roles that the user has already are not asked about again. */
const unknownRole = (before: Resource | null, after: Resource, directory: Asks): Rejection | null => {
  if (directory.unknownRoles === 'keep' || after.roles === undefined || after.roles === before?.roles) return null;
  const known = before ? unknownRolesOf(before) : [];
  const unknown = unknownRolesOf(after).filter((role) => !known.includes(role));
  return unknown.length === 0
    ? null
    : rejection(
        'invalidValue',
        `roles.value: ${listed(unknown.slice(0, MAX_TOLD_ROLES).map(quote))} is not among the roles that there are. The directory "${directory.name}" refuses others than ${listed(WEB_ROLES)}.`,
      );
};
const MAX_TOLD_ROLES = 5;

const listed = (texts: readonly string[]): string => texts.join(', ').replace(/, ([^,]*)$/, ' and $1');

type Read = readonly RequiredAttribute[] | Rejection;
/** Paths by the directory that asks for them: a directory as it was loaded is one object, and never changes. */
const READ = new WeakMap<Asks, { readonly definition: ResourceDefinition; readonly required: Read }>();

const requiredOf = (directory: Asks, definition: ResourceDefinition): Read => {
  const known = READ.get(directory);
  if (known?.definition === definition) return known.required;
  const read = orRejection(() => directory.requiredAttributes.map((path) => parseRequired(definition, path)));
  const required = isRejection(read)
    ? rejection(
        'conflict',
        `The requiredAttributes of the directory "${directory.name}" cannot be used: ${read.detail}`,
      )
    : read;
  READ.set(directory, { definition, required });
  return required;
};
