import {
  diffResource,
  effectiveRoleOf,
  lowerOf,
  roleSourcesOf,
  webRoleOf,
  withRolesWithin,
  type Resource,
  type RoleRules,
  type WebRole,
} from '#scim';
import type { AttributeChanges } from '#contracts';
import type { Candidate } from './matching.js';

/**
 * Web roles are no part of a user and no event: who has which one follows from the user, its groups and the settings of
 * its directory whenever it is asked (docs/decisions/0016-a-web-role-is-computed.md). Here is what decisions about users
 * make of that.
 */

/**
 * Those of some groups in which a user is, directly or through others; null = there are too many to look into. It is
 * asked of hardly anybody, because it costs a load more.
 */
export type GroupsAmong = (user: Candidate, groups: readonly string[]) => readonly string[] | null;

/** The facts about a tenant that say who has which role. */
export interface GivesRoles {
  /** How a directory gives web roles; null = there is no such directory. */
  readonly rulesOf: (directory: string) => RoleRules | null;
  readonly groupsAmong: GroupsAmong;
}

/**
 * The web role of a user whom another directory manages, or nobody (`tenant` null): then no ceiling cuts what the
 * attribute says, because whoever took the user over would get all of it.
 */
export const roleOf = (user: Candidate, tenant: GivesRoles | null): WebRole | 'unknown' | null => {
  const rules = user.directory === null ? null : tenant?.rulesOf(user.directory);
  if (!rules) return webRoleOf(user.resource);
  const mapped = Object.keys(rules.groupRoles);
  const groups = mapped.length === 0 ? mapped : tenant!.groupsAmong(user, mapped);
  return groups === null ? 'unknown' : effectiveRoleOf(user.resource, roleSourcesOf(user.resource, groups, rules));
};

type Ceiling = Pick<RoleRules, 'roleCeiling'> | null;

/**
 * The changes of a user who leaves a directory: without the externalId, and without roles above the ceiling of either
 * directory. None hands on a role that it may not give, and none gets somebody with such a role. Null = no directory.
 */
export const whenLeaving = (resource: Resource, from: Ceiling, to: Ceiling): AttributeChanges => {
  const ceiling = lowerOf(from?.roleCeiling ?? 'EnterpriseAdmin', to?.roleCeiling ?? 'EnterpriseAdmin');
  return {
    ...(resource.externalId === undefined ? {} : { externalId: null }),
    ...diffResource(resource, withRolesWithin(resource, ceiling)),
  };
};
