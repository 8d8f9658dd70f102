import { fold, quote, Rejected, WEB_ROLES, type Resource, type WebRole } from '#scim';

const NAMED: ReadonlyMap<string, WebRole> = new Map(WEB_ROLES.map((role) => [fold(role), role]));

/** The roles that a resource names, those without a value left out. */
const rolesOf = ({ roles }: Resource): readonly { readonly value: string; readonly primary?: unknown }[] =>
  (Array.isArray(roles) ? (roles as { value?: unknown; primary?: unknown }[]) : []).flatMap(({ value, primary }) => (typeof value === 'string' ? [{ value, primary }] : []));

/**
 * What the user may do in the web; null = nothing, only sign in to applications. One role counts (R16): the primary one, else the most
 * powerful. A role that is none of ours, from before they were checked, gives nothing, and as the primary one it counts all the same.
 */
export const webRoleOf = (resource: Resource): WebRole | null => {
  const roles = rolesOf(resource);
  const primary = roles.find((role) => role.primary === true);
  if (primary) return NAMED.get(fold(primary.value)) ?? null;
  const named = new Set(roles.map(({ value }) => NAMED.get(fold(value))));
  return WEB_ROLES.findLast((role) => named.has(role)) ?? null;
};

/**
 * Throws Rejected(invalidValue) for a role that is none of ours and that the user, as it was `before`, has not. Case is ignored, because
 * roles.value is not caseExact (RFC 7643 §4.1.2), and stays as it was sent: Entra compares what it reads with what it would send, and
 * another spelling would be a change in every cycle.
 */
export const requireWebRoles = (after: Resource, before: Resource | null): void => {
  if (after.roles === undefined) return;
  const had = new Set(before ? rolesOf(before).map(({ value }) => fold(value)) : []);
  for (const { value } of rolesOf(after)) {
    const folded = fold(value);
    if (NAMED.has(folded) || had.has(folded)) continue;
    throw new Rejected(
      'invalidValue',
      `roles.value must be one of ${WEB_ROLES.join(', ')}, not ${quote(value)}. In Entra that is the value of the app role which the user is assigned to.`,
    );
  }
};
