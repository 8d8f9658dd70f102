import { quote, rejection, type Rejection, type Resource } from '#scim';
import type { DirectorySettings, MatchingRule } from '#contracts';
import { roleOf, type GivesRoles } from './given-roles.js';
import { domainOf, homeOf, isActive } from './identifiers.js';
import { isNamed, type Candidate, type Found, type Person } from './matching.js';

/**
 * Matching finds a user; the rules here say whether that user may be let in: whether the user may sign in, and whether
 * a directory may take the user over or write it. Each rule is named after what it keeps true, and returns why somebody
 * is kept out, or null. `what` says in a message by what the user was found.
 */

/** The facts about a tenant that these rules ask for. */
export interface AdmittingTenant extends GivesRoles {
  readonly nameOf: (directory: string) => string;
  /** Tells whether an e-mail domain, folded, is verified. */
  readonly isVerified: (domain: string) => boolean;
}

/** Returns why the person may not have the user who was found; null = there is nothing against it. */
export const notAdmitted = (person: Person, found: Found, tenant: AdmittingTenant): Rejection | null => {
  if (found.rule === 'create') return null;
  const what = described(person, found.rule);
  const unclear = aLookAlikeIsNobody(person, found, what) ?? oneOfSeveralIsNobody(found, what);
  if (unclear) return unclear;
  const user = found.result!;
  const refused = person.signIn
    ? (anArchivedUserStaysOut(user, what) ?? aWebRoleStaysWithItsDirectory(user, person.directory, what, tenant))
    : (anotherDirectoryKeepsItsUser(user, person.directory, what, tenant.nameOf) ??
      aWebRoleStaysWithItsDirectory(user, person.directory, what, tenant) ??
      aUserWhoIsHereIsNotCreated(user, what));
  return (
    refused ?? (found.rule === 'email' ? anEmailProvesNothingOfAStrangersDomain(person, user, what, tenant) : null)
  );
};

/**
 * The user, if the directory may write it: it sees the users that it manages, and those that nobody manages if it
 * is offered them. The others do not exist for it.
 */
export const writable = <User extends Candidate>(
  userId: string,
  user: User | null,
  { id, offerExistingUsers }: Pick<DirectorySettings, 'offerExistingUsers'> & { readonly id: string },
): User | Rejection => {
  if (!user || user.withdrawnFrom !== null) return noUser(userId);
  if (!(user.directory === id || (user.directory === null && offerExistingUsers))) return noUser(userId);
  return aWebRoleStaysWithItsDirectory(user, id, `The id ${userId}`, null) ?? user;
};

export const noUser = (userId: string): Rejection => rejection('notFound', `There is no user with the id ${userId}.`);

/** A PUT removes what it leaves out (RFC 7644 §3.5.1), but never `active`: silence must not give back access. */
export const silenceGivesNoAccess = (sent: Resource, now: Resource): Resource => ({
  ...sent,
  active: sent.active ?? now.active ?? true,
});

/** The user as it was before its link, but archived if it is archived now: an unlink gives back no access either. */
export const anUnlinkGivesNoAccess = (before: Resource, now: Resource): Resource =>
  isActive(now) ? before : { ...before, active: false };

/** A user as an unlink gives it back: without the externalId of a directory that has deleted it. */
export const beforeLink = ({ resource, withdrawnFrom }: Candidate): Resource => {
  if (withdrawnFrom === null) return resource;
  const { externalId: _externalId, ...rest } = resource;
  return rest;
};

export const LOOKS_ALIKE = 'whose name differs only in spaces, in the width of letters or in what is not shown';

/** A name that only looks the same does not prove who somebody is. */
const aLookAlikeIsNobody = (person: Person, { rule, candidates }: Found, what: string): Rejection | null =>
  rule !== 'upn' || candidates.some((candidate) => isNamed(person, candidate))
    ? null
    : rejection(
        'uniqueness',
        `${what} is taken by the user with the id ${candidates[0]!.id}, ${LOOKS_ALIKE}. Send the name as that user has it, or another one.`,
      );

const oneOfSeveralIsNobody = ({ candidates }: Found, what: string): Rejection | null =>
  candidates.length === 1
    ? null
    : rejection(
        'conflict',
        `${what} could be any of the users with the ids ${candidates.map(({ id }) => id).join(', ')}. Change ${what.replace(/^The/, 'the')} at all but one of them.`,
      );

const anArchivedUserStaysOut = ({ id, resource }: Candidate, what: string): Rejection | null =>
  isActive(resource)
    ? null
    : rejection(
        'forbidden',
        `${what} is that of the user with the id ${id}, who is archived. Reactivate the user first.`,
      );

/**
 * A web role is handed to no directory that does not manage the user. Sign-ins are asked each time: a role that came
 * after the first one would be handed over like one that came before. `tenant` null = nobody else manages the user.
 */
const aWebRoleStaysWithItsDirectory = (
  user: Candidate,
  directory: string,
  what: string,
  tenant: AdmittingTenant | null,
): Rejection | null => {
  const role = homeOf(user) === directory ? null : roleOf(user, tenant);
  if (role === null) return null;
  const has =
    role === 'unknown'
      ? 'is in groups that may give a web role, but contain too many others to be looked into,'
      : `has the web role ${role}`;
  return rejection(
    'conflict',
    `${what} is that of the user with the id ${user.id}, who ${has} and is not managed by this directory. An administrator can transfer the user.`,
  );
};

const anotherDirectoryKeepsItsUser = (
  user: Candidate,
  directory: string,
  what: string,
  nameOf: (directory: string) => string,
): Rejection | null =>
  user.directory === null || user.directory === directory
    ? null
    : rejection(
        'uniqueness',
        `${what} is taken by the user with the id ${user.id}, whom the directory "${nameOf(user.directory)}" manages. An administrator can transfer the user.`,
      );

/** The user of the sender's own directory comes back if it is archived, and comes if it is awaited after a transfer. */
const aUserWhoIsHereIsNotCreated = ({ id, directory, resource, awaited }: Candidate, what: string): Rejection | null =>
  directory === null || !isActive(resource) || awaited
    ? null
    : rejection('uniqueness', `${what} is taken by the user with the id ${id}, whom this directory manages already.`);

/**
 * Everybody can have a directory send any e-mail: it says who somebody is where the tenant has proved that the domain
 * is its own. A directory that manages the user already could change the e-mail itself, and gains nothing by it.
 */
const anEmailProvesNothingOfAStrangersDomain = (
  { email, directory, signIn }: Person,
  user: Candidate,
  what: string,
  { isVerified }: AdmittingTenant,
): Rejection | null => {
  const domain = domainOf(email!);
  if (homeOf(user) === directory || (domain !== null && isVerified(domain))) return null;
  const way = signIn ? 'give the person the userName of that user' : 'transfer the user to this directory';
  return rejection(
    'conflict',
    `${what} is that of the user with the id ${user.id}, and ${domain === null ? 'it has no domain' : `${quote(domain)} is no verified domain of this tenant`}. Let an administrator verify the domain (domain add, domain verify), or ${way}.`,
  );
};

const described = ({ signIn, externalId, userName, email }: Person, rule: MatchingRule): string => {
  switch (rule) {
    case 'providerId':
      return signIn ? `The ${signIn.loginType} id ${signIn.providerId}` : `externalId ${String(externalId)}`;
    case 'email':
      return `The e-mail ${String(email)}`;
    default:
      return `userName ${userName}`;
  }
};
