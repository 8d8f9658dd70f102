import type { DirectoryKind, DirectorySettings, DirectoryStatus, RedirectUris, SettingName } from '#contracts';

/** The answers of the admin API, as far as the command line looks at them. */

export interface TenantView {
  readonly id: string;
  readonly name: string;
  readonly directories: number;
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
  }[];
}

/** A client of OAuth 2.0. */
export interface ClientView {
  readonly id: string;
  readonly name: string;
  readonly status: string;
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
