import { fold, uniqueKey, type Resource } from '#scim';
import type { SettingsReadBy, SignIn, UserCommand } from '#contracts';

/**
 * The kinds of keys by which a user is looked up. Names and e-mails are keys of libs/scim (uniqueKey); `externalId` and
 * `signIn` count within their directory.
 */
export type KeyKind = 'userName' | 'formerUpn' | 'email' | 'externalId' | 'signIn';
export interface Key {
  readonly kind: KeyKind;
  readonly value: string;
}

/** An absent `active` is true, as at the creation of a user. */
export const isActive = ({ active }: Resource): boolean => active !== false;

export const signInOf = (
  directory: string,
  { loginType, providerId, movedVersion }: Omit<SignIn, 'directory'>,
): SignIn => ({ directory, loginType, providerId, ...(movedVersion === undefined ? {} : { movedVersion }) });

export const signInKey = ({ directory, loginType, providerId, movedVersion }: SignIn): string =>
  `${directory}/${movedVersion === undefined ? '' : `${movedVersion}/`}${loginType}/${providerId}`;
export const externalIdKey = (directory: string, externalId: string): string => `${directory}/${externalId}`;

/** Tells whether a key is unique in the tenant. */
export const isClaimed = (kind: KeyKind): boolean => kind === 'userName' || kind === 'signIn';

/** Whom a user belongs to, or belonged to. */
interface Managed {
  /** The directory that manages the user; null = nobody does. */
  readonly directory: string | null;
  /** The directory that has deleted the user, who is kept. */
  readonly withdrawnFrom: string | null;
}

/** The directory in which the externalId of a user counts; null = in none. */
export const homeOf = ({ directory, withdrawnFrom }: Managed): string | null => directory ?? withdrawnFrom;

/** All keys of a user. A user whom its directory has deleted bears no name, but is found by the one that it had. */
export const keysOf = (user: Managed & { readonly resource: Resource; readonly signIns: readonly SignIn[] }): Key[] => {
  const { withdrawnFrom, resource, signIns } = user;
  const home = homeOf(user);
  const userName = String(resource.userName);
  const upn = upnOf(resource);
  const email = workEmailOf(resource);
  const externalId = externalIdOf(resource);
  return [
    ...(withdrawnFrom === null ? [{ kind: 'userName', value: uniqueKey(userName) } as const] : []),
    ...(upn === userName && withdrawnFrom === null ? [] : [{ kind: 'formerUpn', value: uniqueKey(upn) } as const]),
    ...(email === null ? [] : [{ kind: 'email', value: uniqueKey(email) } as const]),
    ...(home === null || externalId === null
      ? []
      : [{ kind: 'externalId', value: externalIdKey(home, externalId) } as const]),
    ...signIns.map((signIn) => ({ kind: 'signIn', value: signInKey(signIn) }) as const),
  ];
};

/** A soft deletion at Entra renames to `<32 hex digits><UPN>`, with active:false. */
const TOMBSTONE = /^[0-9a-f]{32}(?=[^@]+@)/i;

/** The setting that says what the userName of a directory is. */
export type UserNameSource = SettingsReadBy<'identity'>['userNameSource'];

/**
 * The name by which a person is matched: what a soft deletion put before a UPN is no part of it. A userName of another
 * source is taken as it is, because no soft deletion changes it.
 */
export const upnOf = (resource: Resource, source: UserNameSource = 'upn'): string => {
  const userName = String(resource.userName);
  return isActive(resource) || source !== 'upn' ? userName : withoutTombstoneDigits(userName);
};

const withoutTombstoneDigits = (name: string): string => name.replace(TOMBSTONE, '');

/** A blank text is kept as it was sent, but identifies nobody: two users with one are not the same person. */
const notBlank = (value: unknown): string | null => (typeof value === 'string' && value.trim() !== '' ? value : null);

export const externalIdOf = ({ externalId }: Resource): string | null => notBlank(externalId);

/** The first work e-mail; null when it is blank. */
export const workEmailOf = (resource: Resource): string | null => {
  const found = emailsOf(resource).find(
    ({ type, value }) => typeof type === 'string' && fold(type) === 'work' && typeof value === 'string',
  );
  return typeof found?.value === 'string' && uniqueKey(found.value) !== '' ? found.value : null;
};

/** The part of an e-mail behind the @, folded; null = there is none. */
export const domainOf = (email: string): string | null => {
  const at = email.lastIndexOf('@');
  return at < 0 ? null : fold(email.slice(at + 1));
};

/**
 * A soft deletion does not touch e-mails: where a mapping makes them of the UPN, they come with the same digits before
 * them.
 */
const bringsTombstoneEmail = (resource: Resource, source: UserNameSource): boolean =>
  upnOf(resource, source) !== resource.userName &&
  emailsOf(resource).some(({ value }) => typeof value === 'string' && TOMBSTONE.test(value));

/** A user who is created as soft-deleted has the e-mails of before. */
export const withoutTombstone = (resource: Resource, source: UserNameSource = 'upn'): Resource => {
  if (!bringsTombstoneEmail(resource, source)) return resource;
  const emails = emailsOf(resource).map((email) =>
    typeof email.value === 'string' ? { ...email, value: withoutTombstoneDigits(email.value) } : email,
  );
  return { ...resource, emails } as Resource;
};

/** A soft deletion leaves e-mails as they are, so that it is never refused because of one. */
export const withEmailsOf = (now: Resource, wanted: Resource, source: UserNameSource): Resource => {
  if (!bringsTombstoneEmail(wanted, source)) return wanted;
  const { emails: _brought, ...rest } = wanted;
  return now.emails === undefined ? rest : { ...rest, emails: now.emails };
};

/**
 * A first match leaves e-mails as they are: somebody who was taken for another person must not get that person's mail
 * by the same request. A user who has none yet gets those that come.
 */
export const kept = ({ resource: now }: { readonly resource: Resource }, wanted: Resource): Resource =>
  now.emails === undefined ? wanted : { ...wanted, emails: now.emails };

export const emailsOf = ({ emails }: Resource): readonly { readonly type?: unknown; readonly value?: unknown }[] =>
  Array.isArray(emails) ? (emails as { type?: unknown; value?: unknown }[]) : [];

/** A user who signs in before any directory has sent it. */
export const signedInResource = ({
  upn,
  email,
  displayName,
}: Extract<UserCommand, { type: 'RecordSignIn' }>): Resource => ({
  userName: upn,
  active: true,
  ...(displayName === null ? {} : { displayName }),
  ...(email === null ? {} : { emails: [{ type: 'work', value: email, primary: true }] }),
});
