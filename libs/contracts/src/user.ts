import type { Json, PatchOperation, Resource } from '#scim';

/** Under which versions of its resource a write is carried out (RFC 9110 §13.1). */
export interface Conditions {
  /** The stream version has to be one of these; null = any. */
  readonly ifMatch: readonly number[] | null;
  /** The stream version must be none of these; `*` = there must be no such resource; left out = any. */
  readonly ifNoneMatch?: readonly number[] | '*';
}

/** Commands about one user: imperative; the owner decides. */
export type UserCommand =
  | { readonly type: 'CreateUser'; readonly userId: string; readonly resource: Resource }
  | ({
      readonly type: 'PatchUser';
      readonly userId: string;
      readonly operations: readonly PatchOperation[];
    } & Conditions)
  /** `resource` is all that the user shall have; `active` left out = as it is. */
  | ({ readonly type: 'ReplaceUser'; readonly userId: string; readonly resource: Resource } & Conditions)
  | ({ readonly type: 'DeleteUser'; readonly userId: string } & Conditions)
  | {
      /** Somebody has signed in through the directory that sends this; `userId` is the id that a new user would get. */
      readonly type: 'RecordSignIn';
      readonly userId: string;
      readonly loginType: LoginType;
      /** The id that the identity provider gives, the same at each sign-in of this login type; compared exactly. */
      readonly providerId: string;
      readonly upn: string;
      readonly email: string | null;
      readonly displayName: string | null;
    }
  /** Undoes a link: that of the managing directory, or with `signIn` that of one sign-in identity. */
  | { readonly type: 'UnlinkUser'; readonly userId: string; readonly signIn: SignIn | null }
  | { readonly type: 'TransferUser'; readonly userId: string; readonly directoryId: string }
  /** An administrator takes access from a user, who stays archived until an administrator restores it. */
  | { readonly type: 'ArchiveUser'; readonly userId: string }
  | { readonly type: 'RestoreUser'; readonly userId: string }
  /** An administrator sets attributes, by their paths; null gives one back to the directory that manages the user. */
  | { readonly type: 'SetAttributes'; readonly userId: string; readonly changes: AttributeChanges };

export const LOGIN_TYPES = ['oidc', 'saml'] as const;
export type LoginType = (typeof LOGIN_TYPES)[number];

/**
 * With what a person signs in. A provider id says who somebody is within its directory and login type, and nowhere
 * else.
 */
export interface SignIn {
  readonly directory: string;
  readonly loginType: LoginType;
  readonly providerId: string;
  /** Of which of the directory's identity providers it is: the version of the move to it; left out = the first one. */
  readonly movedVersion?: number;
}

/**
 * The step of the order provider id → UPN → e-mail → create that decided who is meant; `id` = the request named the
 * user.
 */
export type MatchingRule = 'id' | 'providerId' | 'upn' | 'email' | 'create';

/** The matching that decided who is meant. */
export interface Matching {
  readonly rule: MatchingRule;
  /** The users that this step looked at. With `create`: those who share the e-mail but are known to be others. */
  readonly candidates: readonly string[];
  /** The user who is meant. */
  readonly result: string;
}

/** The answer to RecordSignIn. */
export interface RecordedSignIn {
  readonly userId: string;
  readonly matching: Matching;
}

/** Why a user is archived although the identity provider wants otherwise. */
export const HOLD_REASONS = ['create', 'scope'] as const;
export type HoldReason = (typeof HOLD_REASONS)[number];

/** A user whom a directory may not let in: archived until no reason is left, as soon as the directory writes again. */
export interface Held {
  /** `create`: the directory makes no users. `scope`: the user is not in its scope. */
  readonly reasons: readonly HoldReason[];
  /** The word of the identity provider: the user becomes that when no reason is left. */
  readonly active: boolean;
  /** An administrator has let the user in nevertheless: the reasons archive nobody. */
  readonly letIn?: true;
}

/** The settings of the directory that were in force when the decision was made. */
export interface DecidedUnder {
  readonly directory: string;
  readonly directoryVersion: number;
  /** The version with which the directory moved to another identity provider last; left out = it never did. */
  readonly movedVersion?: number;
}

/**
 * Facts about one user: past tense, never renamed, never reshaped (a new shape is a new version, see old-events.ts).
 */
export type UserEvent =
  | ({
      readonly type: 'UserCreated';
      readonly resource: Resource;
      /** The directory that manages the user; null = nobody does. */
      readonly manager: string | null;
      /** Null = decided before matching was recorded. */
      readonly matching: Matching | null;
      /** Left out = nothing holds the user. */
      readonly held?: Held;
    } & DecidedUnder)
  | ({ readonly type: 'UserChanged'; readonly changes: AttributeChanges } & LeftOut & HeldNow & DecidedUnder)
  | ({ readonly type: 'UserDeactivated' } & DecidedUnder)
  | ({ readonly type: 'UserReactivated' } & DecidedUnder)
  | ({ readonly type: 'UserDeleted' } & DecidedUnder)
  /** A known person was taken over by the directory, or has come back to it. */
  | ({ readonly type: 'UserLinked'; readonly matching: Matching; readonly changes: AttributeChanges } & LeftOut &
      HeldNow &
      DecidedUnder)
  /** `directory` has deleted the user, who is kept as archived: nobody manages it, and its name is free. */
  | ({ readonly type: 'UserWithdrawn'; readonly changes: AttributeChanges } & DecidedUnder)
  /** `directory` no longer manages the user. */
  | ({ readonly type: 'UserUnlinked'; readonly changes: AttributeChanges } & DecidedUnder)
  /** An administrator gave the user to `directory`. */
  | ({ readonly type: 'UserTransferred'; readonly changes: AttributeChanges } & DecidedUnder)
  | ({
      readonly type: 'UserSignedIn';
      readonly loginType: LoginType;
      readonly providerId: string;
      readonly matching: Matching;
    } & DecidedUnder)
  | ({ readonly type: 'SignInUnlinked'; readonly loginType: LoginType; readonly providerId: string } & DecidedUnder)
  /**
   * The attribute mapping of the directory made other attributes of those that the identity provider sent.
   * `changes` are those of the attributes as they were sent.
   */
  | ({
      readonly type: 'AttributesMapped';
      readonly changes: AttributeChanges;
      readonly mapped: readonly MappedLine[];
    } & DecidedUnder)
  /** By an administrator. Whoever was active may act no longer, and what its directory says of that has no effect. */
  | { readonly type: 'UserArchived'; readonly changes: AttributeChanges }
  /** By an administrator. The changes say whether the user is active again. */
  | { readonly type: 'UserRestored'; readonly changes: AttributeChanges }
  /** The directory says of a user whom an administrator keeps archived whether it is active. */
  | ({ readonly type: 'ActiveDeferred'; readonly active: boolean } & DecidedUnder)
  /** By an administrator. `local` has the paths of all attributes whose values administrators have set. */
  | { readonly type: 'AttributesSet'; readonly changes: AttributeChanges; readonly local: readonly string[] };

/** The paths of attributes that stay as administrators have set them, though the directory wanted otherwise. */
interface LeftOut {
  readonly leftOut?: readonly string[];
}

/** An attribute that a line of a mapping wrote. */
export interface MappedLine {
  readonly target: string;
  /** Counted from 1. */
  readonly line: number;
}

/** Left out = as before; null = nothing holds the user any more. */
interface HeldNow {
  readonly held?: Held | null;
}

/** Attribute → its new value; null = it went. */
export type AttributeChanges = { readonly [attribute: string]: Json | null };

/** Type names on the wire, each with the version of its shape. */
export const USER_COMMAND_TYPES: { readonly [type in UserCommand['type']]: string } = {
  CreateUser: 'muster.user.create.v1',
  PatchUser: 'muster.user.patch.v1',
  ReplaceUser: 'muster.user.replace.v1',
  DeleteUser: 'muster.user.delete.v1',
  RecordSignIn: 'muster.user.record-sign-in.v1',
  UnlinkUser: 'muster.user.unlink.v1',
  TransferUser: 'muster.user.transfer.v1',
  ArchiveUser: 'muster.user.archive.v1',
  RestoreUser: 'muster.user.restore.v1',
  SetAttributes: 'muster.user.set-attributes.v1',
};
export const USER_EVENT_TYPES: { readonly [type in UserEvent['type']]: string } = {
  UserCreated: 'muster.user.created.v2',
  UserChanged: 'muster.user.changed.v1',
  UserDeactivated: 'muster.user.deactivated.v1',
  UserReactivated: 'muster.user.reactivated.v1',
  UserDeleted: 'muster.user.deleted.v1',
  UserWithdrawn: 'muster.user.withdrawn.v1',
  UserLinked: 'muster.user.linked.v1',
  UserUnlinked: 'muster.user.unlinked.v1',
  UserTransferred: 'muster.user.transferred.v1',
  UserSignedIn: 'muster.user.signed-in.v1',
  SignInUnlinked: 'muster.user.sign-in-unlinked.v1',
  AttributesMapped: 'muster.user.attributes-mapped.v1',
  UserArchived: 'muster.user.archived.v1',
  UserRestored: 'muster.user.restored.v1',
  ActiveDeferred: 'muster.user.active-deferred.v1',
  AttributesSet: 'muster.user.attributes-set.v1',
};
