import type { DirectoryKind, DirectorySettings, DirectoryStatus, RedirectUris, SettingName } from '#contracts';

/** The answers of the admin API, as far as the command line looks at them. */

export interface TenantView {
  readonly id: string;
  readonly name: string;
  readonly directories: number;
  readonly revealTokens: boolean;
}

/** A token, without the token itself. */
export interface TokenView {
  readonly id: string;
  readonly directory: string;
  readonly description: string;
  readonly status: string;
  readonly expiresAt: string | null;
  readonly replacedBy: string | null;
  readonly lastUsedAt: string | null;
}

export interface DomainView {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly status: string;
  readonly verifiedBy: string | null;
  readonly record: { readonly type: string; readonly name: string; readonly value: string };
}

export interface DirectoryView {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly kind: DirectoryKind;
  readonly status: DirectoryStatus;
  readonly deletableAt: string | null;
  readonly settings: DirectorySettings;
  readonly presets: readonly SettingName[];
  readonly warnings: readonly string[];
  readonly scimBaseUrl: string;
  readonly tokenEndpoint: string;
  readonly issuer: string;
  readonly userName: string;
  readonly redirectUris: RedirectUris;
  readonly tokens: readonly {
    readonly id: string;
    readonly description: string;
    readonly status: string;
    readonly expiresAt: string | null;
    readonly lastUsedAt: string | null;
  }[];
}

/** A client of OAuth 2.0. */
export interface ClientView {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly lastUsedAt: string | null;
  readonly federation: {
    readonly issuer: string;
    readonly subject: string;
    readonly audiences: readonly string[];
    readonly jwksUri: string | null;
  } | null;
  readonly secrets: readonly {
    readonly id: string;
    readonly description: string;
    readonly status: string;
    readonly expiresAt: string | null;
  }[];
}

/** One authentication: what was expected, and what came. */
export interface AuthenticationView {
  readonly accepted: boolean;
  readonly at: string;
  readonly method: string;
  readonly client: string | null;
  readonly checks: readonly {
    readonly check: string;
    readonly expected: string;
    readonly received: string;
    readonly passed: boolean;
  }[];
}

/** A directory with one of its tokens, to be seen: who is shown it is recorded. */
export interface RevealedDirectory extends DirectoryView {
  /** The one that works longest; null = none that is active can be opened. */
  readonly token: string | null;
  readonly tokenExpiresAt: string | null;
  readonly password: string | null;
  /** Why the token is not shown, and how it would be; left out = it is. */
  readonly notShown?: string;
}

/** A key of the admin API. */
export interface KeyView {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  /** null = the whole installation. */
  readonly tenant: string | null;
  readonly status: 'active' | 'revoked' | 'expired';
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

/** A user in a list; of those who were searched for, `matchedBy` says by what they were found. */
export interface UserView {
  readonly id: string;
  readonly userName: string;
  readonly state: 'active' | 'archived' | 'deleted';
  readonly displayName: string | null;
  readonly email: string | null;
  readonly externalId: string | null;
  readonly directory: NameView | null;
  readonly created: string;
  readonly lastModified: string;
}

/** A directory, which has no name any longer once it is deleted. */
interface NameView {
  readonly id: string;
  readonly name: string | null;
}

export interface FoundUserView extends UserView {
  readonly matchedBy: string;
}

/** A user with all that is known of it; `attributes` null = it is deleted. */
export interface ShownUserView extends UserView {
  readonly version: number;
  readonly attributes: Readonly<Record<string, unknown>> | null;
  readonly archivedBy: 'administrator' | 'directory' | null;
  readonly webRole: string | null;
  readonly webRoleSources: readonly {
    /** Null = the attribute `roles`. */
    readonly group: { readonly id: string; readonly displayName: string } | null;
    readonly role: string;
    /** The role that the ceiling of the directory leaves of it. */
    readonly gives: string | null;
  }[];
  readonly origin: {
    readonly by: 'provisioning' | 'sign-in';
    readonly at: string;
    readonly directory: NameView | null;
    readonly matching: { readonly rule: string } | null;
  } | null;
  readonly withdrawnFrom: NameView | null;
  readonly held: { readonly reasons: readonly string[]; readonly letIn?: boolean } | null;
  readonly localAttributes: readonly string[];
  readonly mappedBy: readonly {
    readonly target: string;
    readonly line: number;
    readonly expression: string | null;
    readonly when: string | null;
    readonly directory: string;
    readonly directoryVersion: number;
  }[];
  readonly signIns: readonly { readonly directory: string; readonly loginType: string; readonly providerId: string }[];
  readonly groups: readonly { readonly id: string; readonly display: string; readonly direct: boolean }[];
  readonly lastEvents: readonly RecordedEvent[];
}

/** A user whose web role would change; null = none. */
export interface RoleChangeView {
  readonly id: string;
  readonly userName: string;
  readonly from: string | null;
  readonly to: string | null;
}

export interface RolePreviewView {
  readonly items: readonly RoleChangeView[];
  readonly next: string | null;
  readonly counts: readonly { readonly from: string | null; readonly to: string | null; readonly users: number }[];
}

export interface AttributeView {
  readonly name: string;
  readonly type: string;
  readonly multiValued: boolean;
  readonly description: string;
  readonly subAttributes?: readonly AttributeView[];
}

export interface SchemaView {
  readonly tenant: string;
  readonly resourceType: string;
  readonly version: number;
  readonly schema: {
    readonly id: string;
    readonly name: string;
    readonly description: string;
    readonly attributes: readonly AttributeView[];
  };
}

/** An event of a user or a group. */
export interface RecordedEvent {
  readonly version: number;
  /** `muster.user.changed.v1` */
  readonly type: string;
  /** ISO 8601, UTC. */
  readonly recordedAt: string;
  /** `token:<id>`, `admin` */
  readonly actor: string;
  readonly data: {
    readonly attributes?: readonly string[];
    /** Paths that stayed as administrators have set them. */
    readonly leftOut?: readonly string[];
    readonly matching?: { readonly rule: string } | null;
    /** Changes of a group: attribute → value. */
    readonly changes?: Readonly<Record<string, unknown>>;
    readonly added?: readonly { readonly value: string }[];
    readonly removed?: readonly { readonly value: string }[];
    /** Why, in the words of the administrator. */
    readonly reason?: string;
  };
}

/** A group; `directory` null = a local one. */
export interface GroupView {
  readonly id: string;
  readonly displayName: string;
  readonly directory: { readonly id: string; readonly name: string } | null;
  readonly members: number;
}

export interface MemberView {
  readonly id: string;
  readonly type: 'User' | 'Group';
}
