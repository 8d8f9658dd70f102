import type { DecidedUnder, SettingsReadBy, UserEvent } from '#contracts';
import { isRejection, type Rejection, type Resource } from '#scim';
import { whenLeaving } from './given-roles.js';
import { homeOf, isActive, upnOf } from './identifiers.js';
import type { BearersOf, Candidate } from './matching.js';
import { nameTaken } from './uniqueness.js';

/**
 * An administrator has archived the user. Its directory goes on sending what it knows; `active` is what that says of
 * the user meanwhile, and what a restoring gives back.
 */
export interface Archival {
  readonly active: boolean;
}

/** A user, as far as archiving looks at it. */
export interface Archivable extends Candidate {
  readonly archival?: Archival;
}

/** The user as its directory has it: a PATCH that does not speak of `active` says nothing about it. */
export const asItsDirectoryHasIt = ({ resource, archival }: Archivable): Resource =>
  archival ? { ...resource, active: archival.active } : resource;

/** A user whom an administrator has archived stays so, whatever the directory sends: clients see active:false. */
export const staysArchived = (user: Archivable, wanted: Resource): Resource =>
  user.archival ? { ...wanted, active: false } : wanted;

/** Returns the event that keeps the word of the directory on `active`, where an administrator keeps it without effect. */
export const deferred = ({ archival }: Archivable, wanted: Resource, decided: DecidedUnder): UserEvent[] =>
  archival && archival.active !== isActive(wanted)
    ? [{ type: 'ActiveDeferred', active: isActive(wanted), ...decided }]
    : [];

export const archived = ({ resource, archival }: Archivable): UserEvent[] =>
  archival ? [] : [{ type: 'UserArchived', changes: isActive(resource) ? { active: false } : {} }];

/**
 * Gives back what the archiving took. A user whom an administrator did not archive, but its directory did, becomes
 * active, under the name of before its soft deletion if that is free.
 */
export const restored = (
  user: Archivable,
  context: {
    readonly bearersOf: BearersOf;
    readonly directoryOf: (id: string) => Pick<SettingsReadBy<'identity'>, 'roleCeiling' | 'userNameSource'> | null;
  } & Parameters<typeof nameTaken>[2],
): UserEvent[] | Rejection => {
  const { resource, archival, withdrawnFrom } = user;
  if (!archival && isActive(resource)) return [];
  if (archival && !archival.active) return [{ type: 'UserRestored', changes: {} }];
  const home = homeOf(user);
  const userName = upnOf(resource, home === null ? 'upn' : context.directoryOf(home)?.userNameSource);
  const taken = nameTaken({ ...resource, userName }, user, context);
  if (isRejection(taken)) return taken;
  const changes = {
    active: true,
    ...(userName === resource.userName ? {} : { userName }),
    // Nobody manages a user whom its directory has deleted: it leaves the directory as by an unlink.
    ...(withdrawnFrom === null ? {} : whenLeaving(resource, context.directoryOf(withdrawnFrom), null)),
  };
  return [{ type: 'UserRestored', changes }];
};
