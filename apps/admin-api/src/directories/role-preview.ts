import { effectiveRoleOf, roleSourcesOf, type JsonObject, type RoleRules, type RoleSource, type WebRole } from '#scim';

/** A user whose web role would be another one. */
export interface RoleChange {
  readonly id: string;
  readonly userName: string;
  /** The role that the user has; null = none. */
  readonly from: WebRole | null;
  /** The role that the user would have. */
  readonly to: WebRole | null;
  /** The sources that would give it. */
  readonly sources: readonly RoleSource[];
}

/** The number of users who would go from one role to another; users whose role stays have two that are the same. */
export interface RoleCount {
  readonly from: WebRole | null;
  readonly to: WebRole | null;
  readonly users: number;
}

/** An active user of the directory, as far as web roles are concerned. */
export interface RoleBearer {
  readonly id: string;
  readonly userName: string;
  readonly roles: JsonObject['roles'] | null;
}

/** The change of the web role of a user, if its directory had other rules. */
export const roleChangeOf = (
  { id, userName, roles }: RoleBearer,
  groups: readonly string[],
  now: RoleRules,
  proposed: RoleRules,
): RoleChange => {
  const resource: JsonObject = roles ? { roles } : {};
  const sources = roleSourcesOf(resource, groups, proposed);
  return {
    id,
    userName,
    from: effectiveRoleOf(resource, roleSourcesOf(resource, groups, now)),
    to: effectiveRoleOf(resource, sources),
    sources,
  };
};

/** The counts with one user more. */
export const counted = (counts: readonly RoleCount[], { from, to }: RoleChange): readonly RoleCount[] => {
  const isSame = (count: RoleCount): boolean => count.from === from && count.to === to;
  return counts.some(isSame)
    ? counts.map((count) => (isSame(count) ? { ...count, users: count.users + 1 } : count))
    : [...counts, { from, to, users: 1 }];
};
