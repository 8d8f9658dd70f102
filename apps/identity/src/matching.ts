import { fold, Rejected, uniqueKey, webRoleOf, type Resource } from '#scim';
import type { Matching, MatchingRule, SignIn } from '#contracts';

/** A user as far as matching looks at it. */
export interface Candidate {
  readonly id: string;
  /** The directory that manages the user; null = nobody does. */
  readonly directory: string | null;
  readonly resource: Resource;
  readonly signIns: readonly SignIn[];
  /** An administrator gave the user to its directory, which has not sent it yet. */
  readonly awaited: boolean;
  /** Those who were matched with this user by mistake: directories by id, sign-in identities by key. */
  readonly refused: readonly string[];
}

/**
 * By what a user is looked up. Names and e-mails are keys of libs/scim (uniqueKey); `externalId` and `signIn` count
 * within their directory.
 */
export type KeyKind = 'userName' | 'formerUpn' | 'email' | 'externalId' | 'signIn';
export interface Key {
  readonly kind: KeyKind;
  readonly value: string;
}

/**
 * Everybody in the tenant who bears a key, in the order of their ids: an answer does not depend on what else was in a
 * batch.
 */
export type BearersOf<User extends Candidate> = (kind: KeyKind, value: string) => readonly User[];

/** Somebody whom a directory sends or who signs in. */
export interface Person {
  /** The id that a new user would get. */
  readonly userId: string;
  readonly directory: string;
  /** Null = it is provisioned: the directory is going to manage the user. */
  readonly signIn: SignIn | null;
  readonly externalId: string | null;
  readonly userName: string;
  /** A user name of its own, or the one before a soft deletion. */
  readonly upn: string;
  readonly email: string | null;
}

/** An e-mail that so many bear says nothing about a person; no more of them are looked at. */
export const MAX_EMAIL_BEARERS = 10;

/**
 * Finds who is meant: provider id → UPN → e-mail → create (R13). The first step that knows anybody decides; nobody is
 * taken over silently when two are possible, or when it would hand over a web role (R14). Throws Rejected: uniqueness,
 * conflict, or forbidden for the sign-in of an archived user. `nameOf` gives the name of a directory.
 */
export const match = (
  person: Person,
  bearersOf: BearersOf<Candidate>,
  nameOf: (directory: string) => string,
): Matching => {
  const steps: readonly [MatchingRule, () => readonly Candidate[]][] = [
    ['providerId', () => byProviderId(person, bearersOf)],
    ['upn', () => byUpn(person, bearersOf)],
    ['email', () => byEmail(person, bearersOf)],
  ];
  for (const [rule, look] of steps) {
    const found = look();
    if (found.length === 0 || (rule === 'email' && found.every((candidate) => isSomebodyElse(person, candidate))))
      continue;
    const [candidate, ...others] = found;
    const what = describe(person, rule);
    if (rule === 'upn' && !found.some((one) => isNamed(person, one))) {
      throw new Rejected(
        'uniqueness',
        `${what} is taken by the user with the id ${candidate!.id}, ${LOOKS_ALIKE}. Send the name as that user has it, or another one.`,
      );
    }
    if (others.length > 0) {
      throw new Rejected(
        'conflict',
        `${what} could be any of the users with the ids ${found.map(({ id }) => id).join(', ')}. Change ${what.replace(/^The/, 'the')} at all but one of them.`,
      );
    }
    if (person.signIn) requireSignInOf(person, candidate!, what);
    else requireManageable(person, candidate!, what, nameOf);
    return { rule, candidates: [candidate!.id], result: candidate!.id };
  }
  return { rule: 'create', candidates: byEmail(person, bearersOf).map(({ id }) => id), result: person.userId };
};

const byProviderId = (
  { directory, signIn, externalId }: Person,
  bearersOf: BearersOf<Candidate>,
): readonly Candidate[] => {
  if (signIn) return bearersOf('signIn', signInKey(signIn));
  return externalId === null ? [] : bearersOf('externalId', externalIdKey(directory, externalId));
};

/** The user who bears the name goes before one who bore it until a soft deletion freed it. */
const byUpn = (person: Person, bearersOf: BearersOf<Candidate>): readonly Candidate[] => {
  const { userName, upn } = person;
  const bearing = bearersOf('userName', uniqueKey(userName));
  if (bearing.length > 0) return bearing;
  const named = upn === userName ? [] : bearersOf('userName', uniqueKey(upn));
  if (named.length > 0) return named;
  const former = bearersOf('formerUpn', uniqueKey(upn));
  const same = former.filter((one) => isNamed(person, one));
  return same.length > 0 ? same : former;
};

export const LOOKS_ALIKE = 'whose name differs only in spaces, in the width of letters or in what is not shown';

/**
 * Whether the names are one but for their case: a name that only looks the same is nobody's proof of being that person.
 */
const isNamed = ({ userName, upn }: Person, { resource }: Candidate): boolean => {
  const names = [fold(String(resource.userName)), fold(upnOf(resource))];
  return names.includes(fold(userName)) || names.includes(fold(upn));
};

const byEmail = ({ directory, signIn, email }: Person, bearersOf: BearersOf<Candidate>): readonly Candidate[] => {
  const found = email === null ? [] : bearersOf('email', uniqueKey(email));
  if (email === null || found.length >= MAX_EMAIL_BEARERS) return [];
  const mine = signIn ? signInKey(signIn) : directory;
  return found.filter(
    ({ refused, resource }) => !refused.includes(mine) && fold(workEmailOf(resource) ?? '') === fold(email),
  );
};

/**
 * Two whom one identity provider tells apart are two people, though they share an e-mail: by their ids, or by their
 * names where it gives no ids. An id beside none tells nothing apart, nor does a directory that has not sent one of
 * them yet.
 */
const isSomebodyElse = ({ directory, signIn, externalId }: Person, candidate: Candidate): boolean =>
  signIn
    ? candidate.signIns.some((known) => known.directory === directory && known.loginType === signIn.loginType)
    : candidate.directory === directory &&
      !candidate.awaited &&
      (externalIdOf(candidate.resource) === null) === (externalId === null);

const requireManageable = (
  { directory }: Person,
  candidate: Candidate,
  what: string,
  nameOf: (directory: string) => string,
): void => {
  const { id } = candidate;
  if (candidate.directory === null) {
    requireUnprivileged(candidate, what);
  } else if (candidate.directory !== directory) {
    throw new Rejected(
      'uniqueness',
      `${what} is taken by the user with the id ${id}, whom the directory "${nameOf(candidate.directory)}" manages. An administrator can transfer the user.`,
    );
  } else if (isActive(candidate.resource) && !candidate.awaited) {
    throw new Rejected(
      'uniqueness',
      `${what} is taken by the user with the id ${id}, whom this directory manages already.`,
    );
  }
};

/** Asked at each sign-in: what was linked while the user had no web role may not become a way to one. */
const requireSignInOf = ({ directory }: Person, candidate: Candidate, what: string): void => {
  if (!isActive(candidate.resource)) {
    throw new Rejected(
      'forbidden',
      `${what} is that of the user with the id ${candidate.id}, who is archived. Reactivate the user first.`,
    );
  }
  if (candidate.directory !== directory) requireUnprivileged(candidate, what);
};

/** Throws Rejected(conflict) when taking the user over would hand over a web role. */
export const requireUnprivileged = ({ id, resource }: Pick<Candidate, 'id' | 'resource'>, what: string): void => {
  const role = webRoleOf(resource);
  if (role !== null) {
    throw new Rejected(
      'conflict',
      `${what} is that of the user with the id ${id}, who has the web role ${role} and is not managed by this directory. An administrator can transfer the user.`,
    );
  }
};

const describe = ({ signIn, externalId, userName, email }: Person, rule: MatchingRule): string => {
  switch (rule) {
    case 'providerId':
      return signIn ? `The ${signIn.loginType} id ${signIn.providerId}` : `externalId ${String(externalId)}`;
    case 'email':
      return `The e-mail ${String(email)}`;
    default:
      return `userName ${userName}`;
  }
};

/** An absent `active` is true, as at the creation of a user. */
export const isActive = ({ active }: Resource): boolean => active !== false;

export const signInKey = ({ directory, loginType, providerId }: SignIn): string =>
  `${directory}/${loginType}/${providerId}`;
export const externalIdKey = (directory: string, externalId: string): string => `${directory}/${externalId}`;

/** Whether a key is unique in the tenant. */
export const isClaimed = (kind: KeyKind): boolean => kind === 'userName' || kind === 'signIn';

/** All keys of a user. */
export const keysOf = ({ directory, resource, signIns }: Candidate): Key[] => {
  const userName = String(resource.userName);
  const upn = upnOf(resource);
  const email = workEmailOf(resource);
  const externalId = externalIdOf(resource);
  return [
    { kind: 'userName', value: uniqueKey(userName) },
    ...(upn === userName ? [] : [{ kind: 'formerUpn', value: uniqueKey(upn) } as const]),
    ...(email === null ? [] : [{ kind: 'email', value: uniqueKey(email) } as const]),
    ...(directory === null || externalId === null
      ? []
      : [{ kind: 'externalId', value: externalIdKey(directory, externalId) } as const]),
    ...signIns.map((signIn) => ({ kind: 'signIn', value: signInKey(signIn) }) as const),
  ];
};

/** A soft deletion at Entra renames to `<32 hex digits><UPN>`, with active:false. */
const TOMBSTONE = /^[0-9a-f]{32}(?=[^@]+@)/i;

/** The name by which a person is matched: what a soft deletion put before it is no part of it. */
export const upnOf = (resource: Resource): string => {
  const userName = String(resource.userName);
  return isActive(resource) ? userName : withoutTombstoneDigits(userName);
};

const withoutTombstoneDigits = (name: string): string => name.replace(TOMBSTONE, '');

/** A blank text is kept as it was sent, but it is nobody's: two who have none are not one. */
const notBlank = (value: unknown): string | null => (typeof value === 'string' && value.trim() !== '' ? value : null);

export const externalIdOf = ({ externalId }: Resource): string | null => notBlank(externalId);

/** The first work e-mail; null when it is blank. */
export const workEmailOf = (resource: Resource): string | null => {
  const found = emailsOf(resource).find(
    ({ type, value }) => typeof type === 'string' && fold(type) === 'work' && typeof value === 'string',
  );
  return typeof found?.value === 'string' && uniqueKey(found.value) !== '' ? found.value : null;
};

/**
 * A soft deletion does not touch e-mails: where a mapping makes them of the UPN, they come with the same digits before
 * them.
 */
export const bringsTombstoneEmail = (resource: Resource): boolean =>
  upnOf(resource) !== resource.userName &&
  emailsOf(resource).some(({ value }) => typeof value === 'string' && TOMBSTONE.test(value));

/** A user who is created as soft-deleted has the e-mails of before. */
export const withoutTombstone = (resource: Resource): Resource => {
  if (!bringsTombstoneEmail(resource)) return resource;
  const emails = emailsOf(resource).map((email) =>
    typeof email.value === 'string' ? { ...email, value: withoutTombstoneDigits(email.value) } : email,
  );
  return { ...resource, emails } as Resource;
};

const emailsOf = ({ emails }: Resource): readonly { readonly type?: unknown; readonly value?: unknown }[] =>
  Array.isArray(emails) ? (emails as { type?: unknown; value?: unknown }[]) : [];
