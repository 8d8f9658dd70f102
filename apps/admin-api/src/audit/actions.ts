import * as contracts from '#contracts';
import type { AuditEvent, GroupEvent, PublishedDirectoryEvent, UserEvent } from '#contracts';

/** Every fact that the audit log has entries of. */
export type AuditedEvent = UserEvent | GroupEvent | PublishedDirectoryEvent | AuditEvent;

/** The events of all owners, by the names that each has in the code. */
const NEWEST = Object.fromEntries(
  Object.entries(contracts).flatMap(([name, types]) =>
    name.endsWith('_EVENT_TYPES') ? Object.entries(types as Readonly<Record<string, string>>) : [],
  ),
);

/** Makes of a stored event of any owner and any version what today's code knows. Throws for an unknown type. */
export const upcastAudited = contracts.upcaster<AuditedEvent>(NEWEST, contracts.OLD_USER_EVENTS);

/** `muster.user.created.v2` is `user.created`: the same for each version. */
export const actionOf = (type: string): string => type.replace(/^muster\./, '').replace(/\.v\d+$/, '');

const TYPES = [...Object.values(NEWEST), ...contracts.OLD_USER_EVENTS.keys()];

/** False: a newer version has written it. */
export const isKnown = (type: string): boolean => TYPES.includes(type);

/** Everything that an entry may say that somebody did. */
export const ACTIONS: readonly string[] = [...new Set(TYPES.map(actionOf))].toSorted();

/** The names on the wire of an action, one for each version. */
export const typesOf = (action: string): readonly string[] => TYPES.filter((type) => actionOf(type) === action);

/** The kinds of things that entries are about. */
export const SUBJECT_TYPES = [
  'user',
  'group',
  'tenant',
  'directory',
  'token',
  'client',
  'domain',
  'schema',
  'api-key',
  'signing-key',
  'audit',
] as const;
export type SubjectType = (typeof SUBJECT_TYPES)[number];

/** `user.created` is about a user. */
export const subjectTypeOf = (type: string): SubjectType => actionOf(type).split('.')[0] as SubjectType;
