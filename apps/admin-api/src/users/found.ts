import type { KnownAsKind, SignIn } from '#contracts';
import { fold, nameKey, uniqueKey } from '#scim';

/** Archived = the user is there, and may not act. A deleted one is shown as long as it is kept. */
export const USER_STATES = ['active', 'archived', 'deleted'] as const;
export type UserState = (typeof USER_STATES)[number];

/** The identifier by which a user was found: one that it has, or one that it had. What says most comes first. */
export const MATCHES = [
  'id',
  'userName',
  'email',
  'externalId',
  'providerId',
  'displayName',
  'formerUserName',
  'formerEmail',
  'formerExternalId',
  'formerProviderId',
  'formerDisplayName',
] as const;
export type MatchedBy = (typeof MATCHES)[number];

/** A user in a list. */
export interface UserView {
  readonly id: string;
  readonly tenant: string;
  readonly userName: string;
  readonly state: UserState;
  readonly displayName: string | null;
  /** The one for work before others. */
  readonly email: string | null;
  readonly externalId: string | null;
  /** The directory that manages the user; null = nobody does. Of a deleted user, the one that did. */
  readonly directory: { readonly id: string; readonly name: string | null } | null;
  readonly created: Date;
  readonly lastModified: Date;
}

/** The columns of a user that say what a list shows. Long texts are cut, and many e-mails. */
export interface UserColumns extends Omit<UserView, 'email' | 'directory'> {
  readonly directoryId: string | null;
  readonly directoryName: string | null;
  readonly emails: readonly { readonly type?: string | null; readonly value?: string | null }[] | null;
  readonly signIns: readonly SignIn[] | null;
}

/** A text that somebody looks for, in the forms in which identifiers are compared. */
export interface Sought {
  readonly isPrefix: boolean;
  readonly exact: string;
  readonly folded: string;
  readonly key: string;
  readonly name: string;
}

/** A text that ends in `*` asks for all that begin with it. */
export const soughtBy = (given: string): Sought => {
  const isPrefix = given.length > 1 && given.endsWith('*');
  const exact = (isPrefix ? given.slice(0, -1) : given).trim();
  return { isPrefix, exact, folded: fold(exact), key: uniqueKey(exact), name: nameKey(exact) };
};

export const shown = ({ emails, signIns: _signIns, directoryId, directoryName, ...user }: UserColumns): UserView => ({
  ...user,
  email: emailOf(emails ?? []),
  directory: directoryId === null ? null : { id: directoryId, name: directoryName },
});

const emailOf = (all: NonNullable<UserColumns['emails']>): string | null => {
  const withValue = all.filter(({ value }) => typeof value === 'string');
  const forWork = withValue.find(({ type }) => typeof type === 'string' && fold(type) === 'work');
  return (forWork ?? withValue[0])?.value ?? null;
};

/** Says whether the user has what it was found by, or had it. */
export const matchedBy = (user: UserColumns, kind: MatchedBy, value: string): MatchedBy => {
  if (kind === 'id' || kind.startsWith('former')) return kind;
  return has(user, kind as KnownAsKind, value)
    ? kind
    : (`former${kind[0]!.toUpperCase()}${kind.slice(1)}` as MatchedBy);
};

const has = (user: UserColumns, kind: KnownAsKind, value: string): boolean => {
  switch (kind) {
    case 'displayName':
      return user.displayName !== null && nameKey(user.displayName) === value;
    case 'userName':
      return uniqueKey(user.userName) === value;
    case 'email':
      return (user.emails ?? []).some((email) => typeof email.value === 'string' && uniqueKey(email.value) === value);
    case 'externalId':
      return user.externalId === value;
    case 'providerId':
      return (user.signIns ?? []).some(({ providerId }) => providerId === value);
  }
};

/** An identifier that somebody has goes before one that somebody had. */
export const isBetter = (one: MatchedBy, than: MatchedBy): boolean => MATCHES.indexOf(one) < MATCHES.indexOf(than);
