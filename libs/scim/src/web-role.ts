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
