import { fold, rejection, unfitAsKey, uniqueKey, type Rejection, type Resource } from '#scim';
import { LOOKS_ALIKE } from './admission.js';
import { externalIdKey, externalIdOf, workEmailOf, type UserNameSource } from './identifiers.js';
import type { BearersOf, Candidate } from './matching.js';

/** A directory, as far as names are concerned: by what its people are told apart, and sign in. */
interface Known {
  readonly id: string;
  readonly name: string;
  readonly emailIsLoginName: boolean;
  readonly externalIdIsProviderId: boolean;
  readonly userNameSource: UserNameSource;
}

/** The knowledge of who bears a name. */
interface Bearers {
  /** The directory that sends the command; null = an administrator. */
  readonly directory: string | null;
  readonly directoryOf: (id: string) => Known | null;
  readonly bearersOf: BearersOf;
}

/**
 * Returns why the user may not become `after`: somebody else bears what the user is going to bear; null = nobody does.
 * The names that the user bears already are not asked again.
 */
export const taken = (after: Resource, user: Candidate | null, directory: Known, context: Bearers): Rejection | null =>
  nameTaken(after, user, context) ??
  externalIdTaken(after, user, directory, context) ??
  emailTaken(after, user, directory, context);

export const nameTaken = (after: Resource, user: Candidate | null, context: Bearers): Rejection | null => {
  // Nearly no write changes the name.
  const bears = user?.withdrawnFrom === null;
  if (bears && user.resource.userName === after.userName) return null;
  const userName = String(after.userName);
  const key = uniqueKey(userName);
  if (bears && uniqueKey(String(user.resource.userName)) === key) return null;
  const bearers = context.bearersOf('userName', key);
  const looksAlike = bearers.some(({ resource }) => fold(String(resource.userName)) !== fold(userName));
  return borneByAnother(bearers, user, `userName ${userName}`, context, looksAlike ? `, ${LOOKS_ALIKE}` : '');
};

const externalIdTaken = (
  after: Resource,
  user: Candidate | null,
  directory: Known,
  context: Bearers,
): Rejection | null => {
  const externalId = directory.externalIdIsProviderId ? externalIdOf(after) : null;
  if (externalId === null || (user?.directory === directory.id && user.resource.externalId === externalId)) return null;
  const bearers = context.bearersOf('externalId', externalIdKey(directory.id, externalId));
  return borneByAnother(bearers, user, `externalId ${externalId}`, context);
};

/**
 * An e-mail is unique where it is a login name. `manager` is the directory that the user is going to have; null = none,
 * then only what others sign in with is taken.
 */
export const emailTaken = (
  after: Resource,
  user: Candidate | null,
  manager: Known | null,
  context: Bearers,
): Rejection | null => {
  const email = workEmailOf(after);
  const emailBefore = user && workEmailOf(user.resource);
  const isKept =
    email !== null && emailBefore !== null && (email === emailBefore || uniqueKey(email) === uniqueKey(emailBefore));
  if (email === null || (isKept && (manager === null || manager.id === user?.directory))) return null;
  const unfit = unfitAsKey('emails.value', email);
  if (unfit) return unfit;
  const bearers = context.bearersOf('email', uniqueKey(email));
  // A user of another directory may not take what is a login name there either.
  const isLoginName = (id: string | null): boolean => id !== null && context.directoryOf(id)?.emailIsLoginName === true;
  const owners = manager?.emailIsLoginName ? bearers : bearers.filter((bearer) => isLoginName(bearer.directory));
  return borneByAnother(owners, user, `The e-mail ${email}, which is a login name,`, context);
};

const borneByAnother = (
  bearers: readonly Candidate[],
  user: Candidate | null,
  what: string,
  { directory: sender, directoryOf }: Bearers,
  why = '',
): Rejection | null => {
  // Nothing is taken by somebody whom a directory has deleted: no client sees who that is.
  const other = bearers.find(({ id, withdrawnFrom }) => id !== user?.id && withdrawnFrom === null);
  if (!other) return null;
  const owner = other.directory === null || other.directory === sender ? null : directoryOf(other.directory);
  const whom = owner ? `, whom the directory "${owner.name}" manages` : '';
  return rejection('uniqueness', `${what} is taken by the user with the id ${other.id}${whom}${why}.`);
};
