import { displayedNameOf, nameKey, uniqueKey, type Resource } from '#scim';
import type { KnownAsKind, SignIn } from '#contracts';
import { emailsOf, externalIdOf, upnOf, workEmailOf } from './identifiers.js';

/** More e-mails of one user are not looked up: a user may have thousands. */
const MAX_EMAILS = 20;
/** Postgres refuses index rows of more than 2,704 bytes; a unit of UTF-16 takes at most three. */
const MAX_VALUE_CHARACTERS = 800;

/** A user, as far as somebody may look for it. */
interface Known {
  readonly resource: Resource;
  readonly signIns: readonly SignIn[];
}

/**
 * The identifiers of a user that an event adds to those by which administrators find people, besides those that the
 * user's own row has. Names, sign-in identities and further e-mails are added when they come, because no index of that
 * row has them: with a name in one, each change of a name would write all of its indexes. The others are added when
 * they go, with the user or without. `null` = there is no user.
 */
export const knownAs = (before: Known | null, after: Known | null): (readonly [kind: KnownAsKind, value: string])[] =>
  [...(after ? come(before, after) : []), ...(before ? gone(before, after) : [])].filter(
    ([, value]) => value !== '' && value.length <= MAX_VALUE_CHARACTERS,
  );

const come = (before: Known | null, after: Known): (readonly [KnownAsKind, string])[] => {
  const name = displayedNameOf(after.resource);
  const signIns = after.signIns === before?.signIns ? [] : after.signIns;
  return [
    ...(name === null || (before && displayedNameOf(before.resource) === name)
      ? []
      : [['displayName', nameKey(name)] as const]),
    ...otherEmailsThatCame(before?.resource, after.resource).map((email) => ['email', email] as const),
    ...signIns.filter((one) => !before?.signIns.includes(one)).map((one) => ['providerId', one.providerId] as const),
  ];
};

const otherEmailsThatCame = (was: Resource | undefined, is: Resource): string[] => {
  if (was?.emails === is.emails || emailsOf(is).length < (workEmailOf(is) === null ? 1 : 2)) return [];
  const known = was ? otherEmailKeysOf(was) : [];
  return otherEmailKeysOf(is).filter((email) => !known.includes(email));
};

const gone = (before: Known, after: Known | null): (readonly [KnownAsKind, string])[] => {
  const [was, is] = [before.resource, after?.resource];
  if (was === is) return [];
  const names = was.userName === is?.userName ? [] : [...new Set([String(was.userName), upnOf(was)].map(uniqueKey))];
  const nameNow = is ? uniqueKey(String(is.userName)) : null;
  const emails = was.emails === is?.emails ? [] : emailKeysOf(was);
  const emailsNow = emails.length > 0 && is ? emailKeysOf(is) : [];
  const externalId = externalIdOf(was);
  return [
    ...names.filter((name) => name !== nameNow).map((name) => ['userName', name] as const),
    ...emails.filter((email) => !emailsNow.includes(email)).map((email) => ['email', email] as const),
    ...(externalId === null || externalId === is?.externalId ? [] : [['externalId', externalId] as const]),
  ];
};

/** The first one for work is looked up in the row of the user. */
const otherEmailKeysOf = (resource: Resource): string[] => {
  const first = workEmailOf(resource);
  return emailKeysOf(resource).filter((email) => first === null || email !== uniqueKey(first));
};

const emailKeysOf = (resource: Resource): string[] => [
  ...new Set(
    emailsOf(resource)
      .slice(0, MAX_EMAILS)
      .flatMap(({ value }) => (typeof value === 'string' ? [uniqueKey(value)] : [])),
  ),
];

/** The part of a deleted user that administrators are still shown. */
export const lastSeenOf = ({
  resource,
}: Known): Record<'user_name' | 'display_name' | 'email' | 'external_id', string | null> => {
  const [email] = emailsOf(resource);
  return {
    user_name: String(resource.userName),
    display_name: displayedNameOf(resource),
    email: workEmailOf(resource) ?? (typeof email?.value === 'string' ? email.value : null),
    external_id: externalIdOf(resource),
  };
};
