import {
  diffResource,
  isRejection,
  rejection,
  tooLarge,
  type Json,
  type Rejection,
  type Resource,
  type ResourceDefinition,
} from '#scim';
import {
  HOLD_REASONS,
  type AttributeChanges,
  type DecidedUnder,
  type Held,
  type HoldReason,
  type SettingName,
  type SettingsReadBy,
  type UserEvent,
} from '#contracts';
import { asItsDirectoryHasIt, staysArchived, type Archivable } from './archiving.js';
import { isActive, upnOf, withEmailsOf } from './identifiers.js';
import { sinceMove } from './matching.js';
import { lacking } from './required-attributes.js';
import { isInScope } from './scope.js';

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
const isTaken = (
  name: string,
  now: Resource,
  after: Resource,
  { userNameSource: source }: Switched,
  isLink: boolean,
): boolean => {
  if (name === 'active' || (name === 'externalId' && isLink)) return true;
  if (name !== 'userName') return false;
  return upnOf(after, source) === after.userName && (isLink || upnOf(now, source) !== now.userName);
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
  const { refusal, deactivateUsers, updateUsers, userNameSource } = directory;
  let after = wanted;
  if (!deactivateUsers && isActive(now) && !isActive(wanted)) {
    if (refusal === 'error') return switchedOff('deactivateUsers', 'nobody is archived', directory);
    // A soft deletion renames as well: an active user is not to be left with such a name.
    after = withThoseOf(
      now,
      wanted,
      upnOf(wanted, userNameSource) === wanted.userName ? ['active'] : ['active', 'userName'],
    );
  }
  if (updateUsers) return after;
  const kept = Object.keys(diffResource(now, after)).filter((name) => !isTaken(name, now, after, directory, isLink));
  if (kept.length === 0) return after;
  if (refusal === 'error') return switchedOff('updateUsers', `${kept.join(', ')} would change`, directory);
  return withThoseOf(now, after, kept);
};

/** A user whom a directory sends, as far as something may hold it. */
interface Sent {
  /** The user as it is going to be stored, where nothing holds it. */
  readonly wanted: Resource;
  readonly isNew: boolean;
  /** The hold before this write. */
  readonly held: Held | null;
}

/** Returns why a user whom the directory sends is kept archived; none = it is not. */
const reasonsToHold = (
  { wanted, isNew, held }: Sent,
  directory: Switched,
  definition: ResourceDefinition,
): readonly HoldReason[] | Rejection => {
  const inScope = isInScope(wanted, directory, definition);
  if (isRejection(inScope)) return inScope;
  const isUnmade = !directory.createUsers && (isNew || held?.reasons.includes('create') === true);
  return HOLD_REASONS.filter((reason) => (reason === 'create' ? isUnmade : !inScope));
};

/** The user as its directory has it: a PATCH that does not speak of `active` says nothing about it. */
export const asSent = (user: Archivable & { readonly held: Held | null }): Resource =>
  user.held ? { ...user.resource, active: user.held.active } : asItsDirectoryHasIt(user);

/** The user as it becomes: archived while something holds it, unless an administrator has let it in. */
const heldBack = (
  sent: Sent,
  directory: Switched,
  definition: ResourceDefinition,
): { readonly resource: Resource; readonly held: Held | null } | Rejection => {
  const { wanted, held } = sent;
  const reasons = reasonsToHold(sent, directory, definition);
  if (isRejection(reasons)) return reasons;
  if (reasons.length === 0) return { resource: wanted, held: null };
  const active = isActive(wanted);
  return held?.letIn
    ? { resource: wanted, held: { reasons, active, letIn: true } }
    : { resource: { ...wanted, active: false }, held: { reasons, active } };
};

/** The hold of a user whom an administrator has restored: a scope holds it no longer, and is met again unless it is left. */
export const letIn = (held: Held | null): Held | null =>
  held?.reasons.includes('scope') ? { reasons: ['scope'], active: true, letIn: true } : null;

/** Refuses whom a directory may not get, where its identity provider is told so: somebody new, or of another owner. */
const notTaken = (held: Held | null, isNew: boolean, directory: Switched): Rejection | null => {
  if (!held || held.letIn || directory.refusal === 'quiet') return null;
  if (isNew && held.reasons.includes('create')) return switchedOff('createUsers', 'no user is made', directory);
  return held.reasons.includes('scope')
    ? rejection(
        'forbidden',
        `The user is not in the scope of the directory "${directory.name}", which is: ${directory.scope}. Send whom it matches, or let an administrator of Muster change the setting scope.`,
      )
    : null;
};

/** A new user as it is stored: archived while something holds it. Returns why the directory may not make it. */
export const arrives = (
  wanted: Resource,
  directory: Switched,
  definition: ResourceDefinition,
): { readonly resource: Resource; readonly held: Held | null } | Rejection => {
  const judged = heldBack({ wanted, isNew: true, held: null }, directory, definition);
  if (isRejection(judged)) return judged;
  const { resource: after, held } = judged;
  return (
    notTaken(held, true, directory) ?? lacking({ before: null, after, held }, false, directory, definition) ?? judged
  );
};

const isSameHold = (a: Held | null, b: Held | null): boolean =>
  a === b ||
  (a !== null && b !== null && a.active === b.active && a.letIn === b.letIn && a.reasons.join() === b.reasons.join());

const withThoseOf = (now: Resource, after: Resource, names: readonly string[]): Resource => {
  const result: Record<string, Json> = { ...after };
  for (const name of names) {
    const value = now[name];
    if (value === undefined) delete result[name];
    else result[name] = value;
  }
  return result;
};

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
  /** The value of `active` that the directory says, whatever holds the user. */
  readonly isWantedActive: boolean;
  /** The part of the event that says what holds the user; nothing = the same as before. */
  readonly holding: { readonly held?: Held | null };
}

/** `false` is longer than `true`, and a soft deletion makes the name longer: nobody keeps access for being large. */
const isShutOut = (after: Resource, changes: AttributeChanges): boolean =>
  !isActive(after) && Object.keys(changes).every((name) => name === 'active' || name === 'userName');

/**
 * How a directory writes a user: with this write it gets the user, says all that the user shall have, or some of it.
 */
export type Writing = 'link' | 'whole' | 'part';

export const becomes = (
  user: Archivable & { readonly held: Held | null },
  received: Resource,
  directory: Switched & { readonly id: string; readonly movedVersion: number | null },
  { definition, maxResourceBytes }: { readonly definition: ResourceDefinition; readonly maxResourceBytes: number },
  writing: Writing,
): Becoming | Rejection => {
  const isLink = writing === 'link';
  const known = sinceMove(user, directory);
  const allowed = withinSwitches(
    asSent(known),
    withEmailsOf(user.resource, received, directory.userNameSource),
    directory,
    isLink,
  );
  if (isRejection(allowed)) return allowed;
  const isNew = isLink && user.withdrawnFrom !== null;
  const judged = heldBack({ wanted: allowed, isNew, held: user.held }, directory, definition);
  if (isRejection(judged)) return judged;
  const { resource: wanted, held } = judged;
  const refused = isLink ? notTaken(held, isNew, directory) : null;
  if (refused) return refused;
  const after = staysArchived(user, wanted);
  const write = { before: writing === 'part' ? known.resource : null, after, held };
  const lacks = lacking(write, isActive(user.resource), directory, definition);
  if (lacks) return lacks;
  // An externalId from before a move is void, so that the same one is news when it comes from the new identity provider.
  const isVoid = known !== user && after.externalId === undefined && user.resource.externalId !== undefined;
  const changes = { ...diffResource(known.resource, after), ...(isVoid ? { externalId: null } : {}) };
  const large = isShutOut(after, changes) ? null : tooLarge(definition, user.resource, after, maxResourceBytes);
  if (large) return large;
  return {
    wanted,
    after,
    changes,
    isWantedActive: isActive(allowed),
    holding: isSameHold(held, user.held) ? {} : { held },
  };
};
