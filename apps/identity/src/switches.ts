import { diffResource, isRejection, rejection, type Json, type Rejection, type Resource } from '#scim';
import type {
  AttributeChanges,
  DecidedUnder,
  Held,
  HoldReason,
  SettingName,
  SettingsReadBy,
  UserEvent,
} from '#contracts';
import { asItsDirectoryHasIt, staysArchived, type Archivable } from './archiving.js';
import { isActive, upnOf, withEmailsOf } from './identifiers.js';
import { sinceMove } from './matching.js';

/** A directory, as far as its switches say what it may do to users. */
type Switched = SettingsReadBy<'identity'> & { readonly name: string };

/** Refuses what is switched off, with the name of the setting. */
const switchedOff = (setting: SettingName, what: string, { name }: Switched): Rejection =>
  rejection(
    'forbidden',
    `The setting ${setting} of the directory "${name}" is off: ${what}. An administrator of Muster can switch it on.`,
  );

/**
 * Tells whether an attribute is taken over although nothing is updated: `active`; that by which the provider finds a
 * user again whom it gets with this write; and the name in the place of one that a soft deletion gave.
 */
const isTaken = (name: string, now: Resource, after: Resource, isLink: boolean): boolean => {
  if (name === 'active' || (name === 'externalId' && isLink)) return true;
  if (name !== 'userName') return false;
  return upnOf(after) === after.userName && (isLink || upnOf(now) !== now.userName);
};

/**
 * Returns what becomes of a user where `wanted` is asked for: what is switched off stays as it is, or is refused.
 * `isLink` = the directory gets the user with this write.
 */
const withinSwitches = (
  now: Resource,
  wanted: Resource,
  directory: Switched,
  isLink: boolean,
): Resource | Rejection => {
  const { refusal, deactivateUsers, updateUsers } = directory;
  let after = wanted;
  if (!deactivateUsers && isActive(now) && !isActive(wanted)) {
    if (refusal === 'error') return switchedOff('deactivateUsers', 'nobody is archived', directory);
    // A soft deletion renames as well: an active user is not to be left with such a name.
    after = withThoseOf(now, wanted, upnOf(wanted) === wanted.userName ? ['active'] : ['active', 'userName']);
  }
  if (updateUsers) return after;
  const kept = Object.keys(diffResource(now, after)).filter((name) => !isTaken(name, now, after, isLink));
  if (kept.length === 0) return after;
  if (refusal === 'error') return switchedOff('updateUsers', `${kept.join(', ')} would change`, directory);
  return withThoseOf(now, after, kept);
};

/** Returns why a user whom the directory sends is kept archived; none = it is not. */
const reasonsToHold = (isNew: boolean, held: Held | null, { createUsers }: Switched): readonly HoldReason[] =>
  !createUsers && (isNew || held?.reasons.includes('create')) ? ['create'] : [];

/** The user as its directory has it: a PATCH that does not speak of `active` says nothing about it. */
export const asSent = (user: Archivable & { readonly held: Held | null }): Resource =>
  user.held ? { ...user.resource, active: user.held.active } : asItsDirectoryHasIt(user);

/** The user as it becomes: archived while something holds it. */
export const heldBack = (
  wanted: Resource,
  isNew: boolean,
  held: Held | null,
  directory: Switched,
): { readonly resource: Resource; readonly held: Held | null } => {
  const reasons = reasonsToHold(isNew, held, directory);
  return reasons.length === 0
    ? { resource: wanted, held: null }
    : { resource: { ...wanted, active: false }, held: { reasons, active: isActive(wanted) } };
};

const isSameHold = (a: Held | null, b: Held | null): boolean =>
  a === b || (a !== null && b !== null && a.active === b.active && a.reasons.join() === b.reasons.join());

const withThoseOf = (now: Resource, after: Resource, names: readonly string[]): Resource => {
  const result: Record<string, Json> = { ...after };
  for (const name of names) {
    const value = now[name];
    if (value === undefined) delete result[name];
    else result[name] = value;
  }
  return result;
};

export const noNewUsers = (directory: Switched): Rejection => switchedOff('createUsers', 'no user is made', directory);

/** The part of an event that says what holds a user from now on. */
export const heldNow = ({ held }: { readonly held?: Held | null }): { readonly held?: Held | null } =>
  held === undefined ? {} : { held };

/** Returns the events by which a user goes whom its identity provider deletes: it is kept, unless the directory says so. */
export const whenDeleted = (
  { resource }: { readonly resource: Resource },
  directory: Switched,
  decided: DecidedUnder,
): UserEvent[] | Rejection => {
  if (!directory.deleteUsers)
    return directory.refusal === 'error' ? switchedOff('deleteUsers', 'nobody is deleted', directory) : [];
  if (directory.deleteDeactivated) return [{ type: 'UserDeleted', ...decided }];
  const isLeaving = isActive(resource);
  return [
    { type: 'UserWithdrawn', changes: isLeaving ? { active: false } : {}, ...decided },
    ...(isLeaving ? [{ type: 'UserDeactivated', ...decided } as const] : []),
  ];
};

/** What a write of a directory makes of a user. */
interface Becoming {
  /** What the directory may say of the user. */
  readonly wanted: Resource;
  /** The user as it becomes: archived while an administrator or a switch keeps it so. */
  readonly after: Resource;
  readonly changes: AttributeChanges;
  /** The part of the event that says what holds the user; nothing = the same as before. */
  readonly holding: { readonly held?: Held | null };
}

/** `isLink` = the directory gets the user with this write. */
export const becomes = (
  user: Archivable & { readonly held: Held | null },
  received: Resource,
  directory: Switched & { readonly id: string; readonly movedVersion: number | null },
  isLink: boolean,
): Becoming | Rejection => {
  const known = sinceMove(user, directory);
  const allowed = withinSwitches(asSent(known), withEmailsOf(user.resource, received), directory, isLink);
  if (isRejection(allowed)) return allowed;
  const isNew = isLink && user.withdrawnFrom !== null;
  const { resource: wanted, held } = heldBack(allowed, isNew, user.held, directory);
  if (isNew && held && directory.refusal === 'error') return noNewUsers(directory);
  const after = staysArchived(user, wanted);
  // An externalId from before a move is void, so that the same one is news when it comes from the new identity provider.
  const isVoid = known !== user && after.externalId === undefined && user.resource.externalId !== undefined;
  const changes = { ...diffResource(known.resource, after), ...(isVoid ? { externalId: null } : {}) };
  return { wanted, after, changes, holding: isSameHold(held, user.held) ? {} : { held } };
};
