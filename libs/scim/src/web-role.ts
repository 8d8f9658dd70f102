import { fold } from './fold.js';
import type { JsonObject } from './json.js';
import { WEB_ROLES, type WebRole } from './schema.js';

const NAMED: ReadonlyMap<string, WebRole> = new Map(WEB_ROLES.map((role) => [fold(role), role]));
/**
 * Folding never shortens a text to one of these names, so a longer text need not be folded: it may have a megabyte.
 */
const MAX_NAME_CHARACTERS = Math.max(...WEB_ROLES.map(({ length }) => length));

/**
 * The web role that a value of `roles` names; undefined = none. Case is ignored, because roles.value is not caseExact
 * (RFC 7643 §4.1.2). Identity providers send roles of other applications too: such a value is kept as it was sent, and
 * gives nothing.
 */
export const namedWebRole = (value: string): WebRole | undefined =>
  value.length > MAX_NAME_CHARACTERS ? undefined : NAMED.get(fold(value));

/**
 * Says what the user may do in the web: the most powerful of the roles that the user has; null = nothing, only sign in
 * to applications.
 */
export const webRoleOf = ({ roles }: JsonObject): WebRole | null => {
  if (!Array.isArray(roles)) return null;
  const named = new Set(
    (roles as { value?: unknown }[]).map(({ value }) => (typeof value === 'string' ? namedWebRole(value) : undefined)),
  );
  return WEB_ROLES.findLast((role) => named.has(role)) ?? null;
};

/** How a directory gives web roles to the users that it manages. */
export interface RoleRules {
  /** The most powerful role that it may give at all. */
  readonly roleCeiling: WebRole | 'none';
  /** The id of a group of the directory → the role that it gives to its members. */
  readonly groupRoles: Readonly<Record<string, WebRole>>;
}

/** One of the things that give a user a role. */
export interface RoleSource {
  /** The id of the group that gives it; null = the attribute `roles` does. */
  readonly group: string | null;
  readonly role: WebRole;
  /** The role that the ceiling of the directory leaves; null = none. */
  readonly gives: WebRole | null;
}

const powerOf = (role: WebRole | 'none' | null): number => (WEB_ROLES as readonly unknown[]).indexOf(role);

/** The less powerful one of two. */
export const lowerOf = <Role extends WebRole | 'none'>(one: Role, other: Role): Role =>
  powerOf(one) < powerOf(other) ? one : other;

const strongest = (roles: readonly (WebRole | null)[]): WebRole | null =>
  roles.reduce<WebRole | null>((best, role) => (powerOf(role) > powerOf(best) ? role : best), null);

const cut = (role: WebRole, ceiling: RoleRules['roleCeiling']): WebRole | null => {
  const left = lowerOf<WebRole | 'none'>(role, ceiling);
  return left === 'none' ? null : left;
};

/**
 * What gives the user a web role. `groups` are those that the user is in, directly or through others; `rules` are those
 * of the directory that manages the user, and null = nobody does: then the attribute alone counts, and nothing cuts it.
 */
export const roleSourcesOf = (
  resource: JsonObject,
  groups: readonly string[],
  rules: RoleRules | null,
): readonly RoleSource[] => {
  const attribute = webRoleOf(resource);
  const named = attribute === null ? [] : [{ group: null, role: attribute }];
  if (!rules) return named.map((source) => ({ ...source, gives: source.role }));
  const mapped = new Map(Object.entries(rules.groupRoles));
  const given = groups.flatMap((group) => {
    const role = mapped.get(group);
    return role ? [{ group, role }] : [];
  });
  return [...named, ...given].map((source) => ({ ...source, gives: cut(source.role, rules.roleCeiling) }));
};

/** The web role that a user really has, by what gives it; whoever is archived has none. */
export const effectiveRoleOf = (
  { active }: JsonObject,
  sources: readonly Pick<RoleSource, 'gives'>[],
): WebRole | null => (active === false ? null : strongest(sources.map(({ gives }) => gives)));

/** The user without values of `roles` that name a web role above a ceiling; the same object if there are none. */
export const withRolesWithin = <User extends JsonObject>(resource: User, ceiling: RoleRules['roleCeiling']): User => {
  const { roles, ...rest } = resource;
  if (!Array.isArray(roles) || webRoleOf({ roles }) === null) return resource;
  const within = (roles as { value?: unknown }[]).filter(({ value }) => {
    const role = typeof value === 'string' ? namedWebRole(value) : undefined;
    return role === undefined || powerOf(role) <= powerOf(ceiling);
  });
  if (within.length === roles.length) return resource;
  return (within.length === 0 ? rest : { ...rest, roles: within }) as unknown as User;
};

/** The values of `roles` that name no web role. */
export const unknownRolesOf = ({ roles }: JsonObject): readonly string[] =>
  Array.isArray(roles)
    ? (roles as { value?: unknown }[]).flatMap(({ value }) =>
        typeof value === 'string' && namedWebRole(value) === undefined ? [value] : [],
      )
    : [];
