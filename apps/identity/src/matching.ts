import { fold, uniqueKey, type Resource } from '#scim';
import type { DirectorySettings, Matching, MatchingRule, SignIn, UserCommand } from '#contracts';
import {
  externalIdKey,
  externalIdOf,
  homeOf,
  isActive,
  signInKey,
  signInOf,
  upnOf,
  withoutTombstone,
  workEmailOf,
  type KeyKind,
} from './identifiers.js';

/** A user as far as matching looks at it. */
export interface Candidate {
  readonly id: string;
  /** The directory that manages the user; null = nobody does. */
  readonly directory: string | null;
  /** The directory that has deleted the user, who is kept as archived; null = none. */
  readonly withdrawnFrom: string | null;
  readonly resource: Resource;
  readonly signIns: readonly SignIn[];
  /** An administrator gave the user to its directory, which has not sent it yet. */
  readonly awaited: boolean;
  /** The last move of its directory when that wrote it; undefined = it had not moved by then. */
  readonly movedVersion?: number;
  /** Those who were matched with this user by mistake: directories by id, sign-in identities by key. */
  readonly refused: readonly string[];
}

/**
 * Everybody in the tenant who bears a key, in the order of their ids: an answer does not depend on what else was in a
 * batch.
 */
export type BearersOf = (kind: KeyKind, value: string) => readonly Candidate[];

/** Somebody whom a directory sends or who signs in. */
export interface Person {
  /** The id that a new user would get. */
  readonly userId: string;
  readonly directory: string;
  /** Null = it is provisioned: the directory is going to manage the user. */
  readonly signIn: SignIn | null;
  readonly externalId: string | null;
  /** Tells whether the directory says who somebody is by the externalId. */
  readonly externalIdIsProviderId: boolean;
  readonly userName: string;
  /** A user name of its own, or the one before a soft deletion. */
  readonly upn: string;
  readonly email: string | null;
}

/** An e-mail that so many bear says nothing about a person; no more of them are looked at. */
export const MAX_EMAIL_BEARERS = 10;

/** The user whom matching found. Whether the person may have that user is for admission.ts to say. */
export interface Found {
  /** The first rule that knows anybody; `create` = none does. */
  readonly rule: MatchingRule;
  /** Everybody whom that rule looked at; with `create` those who share the e-mail but are known to be others. */
  readonly candidates: readonly Candidate[];
  /** The user who is meant; null = a new one, or the rule cannot say which one. */
  readonly result: Candidate | null;
}

/** Finds who is meant: provider id → UPN → e-mail → create. The first rule that knows anybody decides. */
export const match = (person: Person, bearersOf: BearersOf): Found => {
  for (const [rule, look] of rulesOf(person, bearersOf)) {
    // A deletion frees the name: a deleted user whose name only looks the same is nobody.
    const candidates = thoseThere(look()).filter(
      (one) => rule !== 'upn' || one.withdrawnFrom === null || isNamed(person, one),
    );
    if (candidates.length === 0) continue;
    if (rule === 'email' && candidates.every((candidate) => isSomebodyElse(person, candidate))) continue;
    const [only, ...others] = candidates;
    const isMeant = others.length === 0 && (rule !== 'upn' || isNamed(person, only!));
    return { rule, candidates, result: isMeant ? only! : null };
  }
  return { rule: 'create', candidates: byEmail(person, bearersOf), result: null };
};

/**
 * The user as the directory knows it. The identity provider that it had before its last move is gone, and the ids that
 * it gave with it: the user is awaited until the new one has sent it.
 */
export const sinceMove = <User extends Candidate>(
  user: User,
  { id, movedVersion }: { readonly id: string; readonly movedVersion: number | null },
): User => {
  if (movedVersion === null || homeOf(user) !== id || user.movedVersion === movedVersion) return user;
  const { externalId: _void, ...resource } = user.resource;
  return { ...user, resource, awaited: true };
};

/** Those who bear a key as the directory knows them. */
export const bearersSinceMove = (
  directory: { readonly id: string; readonly movedVersion: number | null },
  bearersOf: BearersOf,
): BearersOf =>
  directory.movedVersion === null
    ? bearersOf
    : (kind, value) =>
        bearersOf(kind, value)
          .map((bearer) => sinceMove(bearer, directory))
          .filter(({ resource }) => kind !== 'externalId' || externalIdOf(resource) !== null);

/** Those who bear a key. Where a directory sends something else than the UPN, no soft deletion gave a user its name. */
export const bearersByUpn =
  (directoryOf: (id: string) => Pick<DirectorySettings, 'userNameSource'> | null, bearersOf: BearersOf): BearersOf =>
  (kind, value) =>
    kind === 'formerUpn'
      ? bearersOf(kind, value).filter((bearer) => {
          const home = homeOf(bearer);
          return home === null || directoryOf(home)?.userNameSource !== 'other';
        })
      : bearersOf(kind, value);

/** A user who is there goes before one whom a directory has deleted. */
const thoseThere = (candidates: readonly Candidate[]): readonly Candidate[] => {
  const there = candidates.filter(({ withdrawnFrom }) => withdrawnFrom === null);
  return there.length > 0 ? there : candidates;
};

/** The rules in their order, each with whom it knows. */
export const rulesOf = (
  person: Person,
  bearersOf: BearersOf,
): readonly (readonly [MatchingRule, () => readonly Candidate[]])[] => [
  ['providerId', () => byProviderId(person, bearersOf)],
  ['upn', () => byUpn(person, bearersOf)],
  ['email', () => byEmail(person, bearersOf)],
];

/** The decision as events and answers keep it. `newId` is the id that a new user gets. */
export const explained = ({ rule, candidates, result }: Found, newId: string): Matching => ({
  rule,
  candidates: candidates.map(({ id }) => id),
  result: result?.id ?? newId,
});

/** The person whom a command means; `mapped` is what the directory makes of the resource that it brings. */
export const personOf = (
  command: Extract<UserCommand, { type: 'CreateUser' | 'RecordSignIn' }>,
  {
    id: directory,
    externalIdIsProviderId,
    userNameSource,
    movedVersion,
  }: Pick<DirectorySettings, 'externalIdIsProviderId' | 'userNameSource'> & {
    readonly id: string;
    readonly movedVersion: number | null;
  },
  mapped?: Resource,
): Person => {
  const { userId } = command;
  if (command.type === 'RecordSignIn') {
    const { upn, email } = command;
    const signIn = signInOf(directory, { ...command, ...(movedVersion === null ? {} : { movedVersion }) });
    return { userId, directory, signIn, externalId: null, externalIdIsProviderId, userName: upn, upn, email };
  }
  const resource = mapped ?? command.resource;
  return {
    userId,
    directory,
    signIn: null,
    externalId: externalIdOf(resource),
    externalIdIsProviderId,
    userName: String(resource.userName),
    upn: upnOf(resource, userNameSource),
    email: workEmailOf(withoutTombstone(resource, userNameSource)),
  };
};

const byProviderId = (person: Person, bearersOf: BearersOf): readonly Candidate[] => {
  const { directory, signIn, externalId, externalIdIsProviderId } = person;
  if (signIn) return bearersOf('signIn', signInKey(signIn));
  return externalId === null || !externalIdIsProviderId
    ? []
    : bearersOf('externalId', externalIdKey(directory, externalId));
};

/** The user who bears the name goes before one who bore it until a soft deletion freed it. */
const byUpn = (person: Person, bearersOf: BearersOf): readonly Candidate[] => {
  const { userName, upn } = person;
  const bearing = bearersOf('userName', uniqueKey(userName));
  if (bearing.length > 0) return bearing;
  const named = upn === userName ? [] : bearersOf('userName', uniqueKey(upn));
  if (named.length > 0) return named;
  const former = bearersOf('formerUpn', uniqueKey(upn));
  const same = former.filter((one) => isNamed(person, one));
  return same.length > 0 ? same : former;
};

/**
 * Tells whether the names are the same but for their case: a name that only looks the same does not prove who somebody
 * is.
 */
export const isNamed = ({ userName, upn }: Person, { resource }: Candidate): boolean => {
  const names = [fold(String(resource.userName)), fold(upnOf(resource))];
  return names.includes(fold(userName)) || names.includes(fold(upn));
};

const byEmail = (person: Person, bearersOf: BearersOf): readonly Candidate[] => {
  const { directory, signIn, email } = person;
  const found = email === null ? [] : bearersOf('email', uniqueKey(email));
  if (email === null || found.length >= MAX_EMAIL_BEARERS) return [];
  const mine = signIn ? signInKey(signIn) : directory;
  const same = found.filter(
    ({ refused, resource }) => !refused.includes(mine) && fold(workEmailOf(resource) ?? '') === fold(email),
  );
  const back = same.filter((candidate) => isBackByTwo(person, candidate));
  return back.length > 0 ? back : same;
};

/** An externalId that is no provider's id proves nothing by itself; an archived user who has the e-mail, too, is back. */
const isBackByTwo = ({ directory, externalId, externalIdIsProviderId }: Person, candidate: Candidate): boolean =>
  !externalIdIsProviderId &&
  externalId !== null &&
  homeOf(candidate) === directory &&
  !isActive(candidate.resource) &&
  externalIdOf(candidate.resource) === externalId;

/**
 * Two whom one identity provider tells apart are two people, though they share an e-mail: by their ids, or by their
 * names where it gives no ids. An id beside none tells nothing apart, nor does a directory that has not sent one of
 * them yet.
 */
const isSomebodyElse = (person: Person, candidate: Candidate): boolean => {
  const { directory, signIn, externalId, externalIdIsProviderId } = person;
  return signIn
    ? candidate.signIns.some(
        (known) =>
          known.directory === directory &&
          known.loginType === signIn.loginType &&
          known.movedVersion === signIn.movedVersion,
      )
    : homeOf(candidate) === directory &&
        !candidate.awaited &&
        (externalIdIsProviderId
          ? (externalIdOf(candidate.resource) === null) === (externalId === null)
          : !isBackByTwo(person, candidate));
};
