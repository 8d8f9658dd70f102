import type { Schema } from '#scim';
import type { SettingChanges } from './directory-settings.js';

/**
 * Commands about a tenant, its directories, their SCIM tokens and its own schemas; the directory owner decides on all
 * four.
 */
export type DirectoryCommand =
  | { readonly type: 'CreateTenant'; readonly tenantId: string; readonly name: string }
  | { readonly type: 'RenameTenant'; readonly tenantId: string; readonly name: string }
  | { readonly type: 'ChangeTenant'; readonly tenantId: string; readonly settings: Partial<TenantSettings> }
  | {
      readonly type: 'CreateDirectory';
      readonly directoryId: string;
      readonly name: string;
      readonly kind: DirectoryKind;
    }
  | { readonly type: 'ChangeDirectory'; readonly directoryId: string; readonly settings: SettingChanges }
  | { readonly type: 'RenameDirectory'; readonly directoryId: string; readonly name: string }
  /** It answers nobody, and can be enabled again: ids, users, tokens and settings stay. */
  | { readonly type: 'DisableDirectory'; readonly directoryId: string }
  | { readonly type: 'EnableDirectory'; readonly directoryId: string }
  /** Its identity provider is to have no access any more: what it shows to get in is revoked, ids and users stay. */
  | { readonly type: 'DisconnectDirectory'; readonly directoryId: string }
  | { readonly type: 'ConnectDirectory'; readonly directoryId: string }
  /** Another identity provider takes over: users and groups keep their ids, and the ids that the old one gave are void. */
  | { readonly type: 'MoveDirectory'; readonly directoryId: string; readonly kind: DirectoryKind }
  /** Only of a disconnected one, and an empty one. */
  | { readonly type: 'DeleteDirectory'; readonly directoryId: string }
  | {
      readonly type: 'CreateToken';
      readonly tokenId: string;
      readonly directoryId: string;
      readonly description: string;
      /** SHA-256 of the token, hex: tokens are compared by hash. */
      readonly hash: string;
      /** The token, encrypted by the master key, base64: shown again on request. */
      readonly sealed: string;
      /** ISO 8601, UTC; null = never. */
      readonly expiresAt: string | null;
    }
  | ({ readonly type: 'ChangeToken'; readonly tokenId: string } & TokenChanges)
  /** Makes another token in the place of this one, which lives on for a while. */
  | {
      readonly type: 'RotateToken';
      readonly tokenId: string;
      readonly newTokenId: string;
      readonly hash: string;
      readonly sealed: string;
      /** ISO 8601, UTC; null = never; left out = it lives as long as the old one was to live. */
      readonly expiresAt?: string | null;
      /** The old one lives on for so long, but never longer than it would have; 0 = it ends at once. */
      readonly overlapSeconds: number;
    }
  /** For good: a token that may come back is made inactive by ChangeToken. */
  | { readonly type: 'RevokeToken'; readonly tokenId: string }
  /** The time has come to say that a token expires soon. */
  | { readonly type: 'WarnOfExpiry'; readonly tokenId: string }
  /** Somebody is to see the token itself: asked for and recorded before anybody opens it. */
  | { readonly type: 'RevealToken'; readonly tokenId: string }
  /** Of the whole installation: it goes to the lane of INSTALLATION. */
  | ({ readonly type: 'CreateApiKey'; readonly keyId: string } & NewApiKey)
  | { readonly type: 'RevokeApiKey'; readonly keyId: string }
  | {
      readonly type: 'AddDomain';
      readonly domainId: string;
      readonly name: string;
      readonly shownName: string;
      readonly record: string;
    }
  | { readonly type: 'VerifyDomain'; readonly domainId: string; readonly by: VerifiedBy }
  | { readonly type: 'RemoveDomain'; readonly domainId: string }
  /** `schemaId` is the id that a new schema would get: the URN says which one is meant. */
  | {
      readonly type: 'DefineSchema';
      readonly schemaId: string;
      readonly resourceType: ExtendedType;
      readonly schema: Schema;
    }
  | ClientCommand
  | AddSigningKey;

/** Commands about a client of OAuth 2.0, by which an identity provider gets access tokens of a directory. */
export type ClientCommand =
  | {
      readonly type: 'CreateClient';
      readonly clientId: string;
      readonly directoryId: string;
      readonly name: string;
      /** Null: it proves by a secret who it is. */
      readonly federation: Federation | null;
    }
  | {
      readonly type: 'AddClientSecret';
      readonly clientId: string;
      readonly secretId: string;
      readonly description: string;
      /** SHA-256 of the secret, hex. It is shown once, so no sealed text is kept. */
      readonly hash: string;
      /** ISO 8601, UTC; null = never. */
      readonly expiresAt: string | null;
    }
  | { readonly type: 'RemoveClientSecret'; readonly clientId: string; readonly secretId: string }
  /** The time has come to say that a secret expires soon. */
  | { readonly type: 'WarnOfSecretExpiry'; readonly clientId: string; readonly secretId: string }
  | { readonly type: 'RevokeClient'; readonly clientId: string };

/** The tokens of another issuer that prove who a client is (workload identity federation): each value exactly. */
export interface Federation {
  readonly issuer: string;
  readonly subject: string;
  /** A token has to be for one of them. */
  readonly audiences: readonly string[];
  /** The place of the keys of the issuer; null = its discovery document says it. */
  readonly jwksUri: string | null;
}

/** A key by which the installation signs access tokens, in the lane of the installation. */
export interface AddSigningKey {
  readonly type: 'AddSigningKey';
  readonly keyId: string;
  readonly publicKey: PublicKey;
  /** The private key as a JWK, sealed with the master key, base64. */
  readonly sealed: string;
  /** The newest key that its sender knew; null = none. Of several that want to replace one, the first does. */
  readonly replaces: string | null;
}

/** A public key of P-256 as a JWK (RFC 7518 §6.2.1). */
export interface PublicKey {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

/**
 * The bearer of a key of the admin API may do this: read; change, and make tokens and secrets, which are shown once; be
 * shown a token again; read the audit log, with what there is of people and of refused requests.
 */
export const KEY_SCOPES = ['read', 'manage', 'reveal', 'audit'] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

/** A key of the admin API. */
export interface NewApiKey {
  /** Names an administrator or a program, uniquely in the installation. */
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  /** The tenant that it may see and change; null = the whole installation. */
  readonly tenantId: string | null;
  /** SHA-256 of the key, hex: keys are compared by hash, and the key itself is kept nowhere. */
  readonly hash: string;
  /** ISO 8601, UTC; null = never. */
  readonly expiresAt: string | null;
}

/** Settings of a tenant. */
export interface TenantSettings {
  /** False: nobody is shown a token again after it was made. */
  readonly revealTokens: boolean;
}

export interface TokenChanges {
  readonly description?: string;
  /** An inactive token opens nothing until it is made active again. */
  readonly status?: 'active' | 'inactive';
}
/** `revoked` is for good. */
export type TokenStatus = 'active' | 'inactive' | 'revoked';

/** So many days before a token expires an event says so. */
export const EXPIRY_WARNING_DAYS = [30, 7, 1] as const;
export type ExpiryWarningDays = (typeof EXPIRY_WARNING_DAYS)[number];

/** How it was proved that an e-mail domain belongs to a tenant: by a TXT record, or an administrator says so. */
export const VERIFICATIONS = ['dns', 'administrator'] as const;
export type VerifiedBy = (typeof VERIFICATIONS)[number];

/** Resource types that a tenant may extend. */
export const EXTENDED_TYPES = ['User', 'Group'] as const;
export type ExtendedType = (typeof EXTENDED_TYPES)[number];

/** Microsoft Entra ID; Okta; any other SCIM client; one that is held to the letter. */
export const DIRECTORY_KINDS = ['entra', 'okta', 'scim', 'strict'] as const;
export type DirectoryKind = (typeof DIRECTORY_KINDS)[number];

/**
 * A directory that is not active answers nobody: `disabled` for a while, `disconnected` without tokens, so that its
 * identity provider has to be connected again.
 */
export const DIRECTORY_STATUSES = ['active', 'disabled', 'disconnected'] as const;
export type DirectoryStatus = (typeof DIRECTORY_STATUSES)[number];

/**
 * A directory may be deleted so long after it was disconnected. Owners read its status when they begin a batch, and a
 * batch is committed within twice QUERY_TIMEOUT_MS, so that by then nothing more can come into it.
 */
export const DELETABLE_AFTER_MS = 15_000;

export type DirectoryEvent =
  | { readonly type: 'TenantCreated'; readonly name: string }
  | { readonly type: 'TenantRenamed'; readonly name: string }
  | { readonly type: 'TenantChanged'; readonly settings: Partial<TenantSettings> }
  | { readonly type: 'DirectoryCreated'; readonly name: string; readonly kind: DirectoryKind }
  | { readonly type: 'DirectoryRenamed'; readonly name: string }
  | { readonly type: 'DirectoryDisabled' }
  | { readonly type: 'DirectoryEnabled' }
  | { readonly type: 'DirectoryDisconnected' }
  | { readonly type: 'DirectoryConnected' }
  | { readonly type: 'DirectoryMoved'; readonly kind: DirectoryKind }
  | { readonly type: 'DirectoryDeleted' }
  | { readonly type: 'DirectoryChanged'; readonly settings: SettingChanges }
  | {
      readonly type: 'TokenCreated';
      readonly directoryId: string;
      readonly description: string;
      readonly hash: string;
      readonly sealed: string;
      readonly expiresAt: string | null;
    }
  | ({ readonly type: 'TokenChanged' } & TokenChanges)
  /** Another token takes its place, and it ends at `expiresAt` (ISO 8601, UTC). */
  | { readonly type: 'TokenRotated'; readonly newTokenId: string; readonly expiresAt: string }
  /** It expires in `days` days or less: nobody has to remember to look. */
  | { readonly type: 'TokenExpiring'; readonly days: ExpiryWarningDays; readonly expiresAt: string }
  | { readonly type: 'TokenRevoked' }
  | { readonly type: 'TokenRevealed' }
  | ({ readonly type: 'ApiKeyCreated' } & NewApiKey)
  | { readonly type: 'ApiKeyRevoked' }
  /**
   * An e-mail domain, as DNS has it and as people write it, and the value of the TXT record that proves that it is the
   * tenant's.
   */
  | { readonly type: 'DomainAdded'; readonly name: string; readonly shownName: string; readonly record: string }
  | { readonly type: 'DomainVerified'; readonly by: VerifiedBy }
  | { readonly type: 'DomainRemoved' }
  | { readonly type: 'SchemaDefined'; readonly resourceType: ExtendedType; readonly schema: Schema }
  /** The schema as it is from now on. */
  | { readonly type: 'SchemaChanged'; readonly schema: Schema }
  | {
      readonly type: 'ClientCreated';
      readonly directoryId: string;
      readonly name: string;
      readonly federation: Federation | null;
    }
  | {
      readonly type: 'ClientSecretAdded';
      readonly secretId: string;
      readonly description: string;
      readonly hash: string;
      readonly expiresAt: string | null;
    }
  /** It expires in `days` days or less. */
  | {
      readonly type: 'ClientSecretExpiring';
      readonly secretId: string;
      readonly days: ExpiryWarningDays;
      readonly expiresAt: string;
    }
  | { readonly type: 'ClientSecretRemoved'; readonly secretId: string }
  | { readonly type: 'ClientRevoked' }
  | { readonly type: 'SigningKeyAdded'; readonly publicKey: PublicKey; readonly sealed: string };

/**
 * Properties of events, at their top, that only the store keeps: a token and a key are compared with their hash, and
 * shown by their sealed text. Nobody else needs these.
 */
export const SECRETS_OF_EVENTS = ['hash', 'sealed'] as const;

/** An event on the directory owner's topic. */
export type PublishedDirectoryEvent = Published<DirectoryEvent>;
type Published<Event> = Event extends unknown ? Omit<Event, (typeof SECRETS_OF_EVENTS)[number]> : never;

/**
 * Aggregates of the whole installation, which belong to no tenant, live in a lane of their own, under this id in the
 * place of a tenant's.
 */
export const INSTALLATION = '00000000-0000-7000-8000-000000000000';

export const DIRECTORY_COMMAND_TYPES: { readonly [type in DirectoryCommand['type']]: string } = {
  CreateTenant: 'muster.tenant.create.v1',
  RenameTenant: 'muster.tenant.rename.v1',
  ChangeTenant: 'muster.tenant.change.v1',
  CreateDirectory: 'muster.directory.create.v1',
  ChangeDirectory: 'muster.directory.change.v1',
  RenameDirectory: 'muster.directory.rename.v1',
  DisableDirectory: 'muster.directory.disable.v1',
  EnableDirectory: 'muster.directory.enable.v1',
  DisconnectDirectory: 'muster.directory.disconnect.v1',
  ConnectDirectory: 'muster.directory.connect.v1',
  MoveDirectory: 'muster.directory.move.v1',
  DeleteDirectory: 'muster.directory.delete.v1',
  CreateToken: 'muster.token.create.v1',
  ChangeToken: 'muster.token.change.v1',
  RotateToken: 'muster.token.rotate.v1',
  WarnOfExpiry: 'muster.token.warn-of-expiry.v1',
  RevokeToken: 'muster.token.revoke.v1',
  RevealToken: 'muster.token.reveal.v1',
  CreateApiKey: 'muster.api-key.create.v1',
  RevokeApiKey: 'muster.api-key.revoke.v1',
  AddDomain: 'muster.domain.add.v1',
  VerifyDomain: 'muster.domain.verify.v1',
  RemoveDomain: 'muster.domain.remove.v1',
  DefineSchema: 'muster.schema.define.v1',
  CreateClient: 'muster.client.create.v1',
  AddClientSecret: 'muster.client.add-secret.v1',
  RemoveClientSecret: 'muster.client.remove-secret.v1',
  WarnOfSecretExpiry: 'muster.client.warn-of-secret-expiry.v1',
  RevokeClient: 'muster.client.revoke.v1',
  AddSigningKey: 'muster.signing-key.add.v1',
};
export const DIRECTORY_EVENT_TYPES: { readonly [type in DirectoryEvent['type']]: string } = {
  TenantCreated: 'muster.tenant.created.v1',
  TenantRenamed: 'muster.tenant.renamed.v1',
  TenantChanged: 'muster.tenant.changed.v1',
  DirectoryCreated: 'muster.directory.created.v1',
  DirectoryChanged: 'muster.directory.changed.v1',
  DirectoryRenamed: 'muster.directory.renamed.v1',
  DirectoryDisabled: 'muster.directory.disabled.v1',
  DirectoryEnabled: 'muster.directory.enabled.v1',
  DirectoryDisconnected: 'muster.directory.disconnected.v1',
  DirectoryConnected: 'muster.directory.connected.v1',
  DirectoryMoved: 'muster.directory.moved.v1',
  DirectoryDeleted: 'muster.directory.deleted.v1',
  TokenCreated: 'muster.token.created.v1',
  TokenChanged: 'muster.token.changed.v1',
  TokenRotated: 'muster.token.rotated.v1',
  TokenExpiring: 'muster.token.expiring.v1',
  TokenRevoked: 'muster.token.revoked.v1',
  TokenRevealed: 'muster.token.revealed.v1',
  ApiKeyCreated: 'muster.api-key.created.v1',
  ApiKeyRevoked: 'muster.api-key.revoked.v1',
  DomainAdded: 'muster.domain.added.v1',
  DomainVerified: 'muster.domain.verified.v1',
  DomainRemoved: 'muster.domain.removed.v1',
  SchemaDefined: 'muster.schema.defined.v1',
  SchemaChanged: 'muster.schema.changed.v1',
  ClientCreated: 'muster.client.created.v1',
  ClientSecretAdded: 'muster.client.secret-added.v1',
  ClientSecretExpiring: 'muster.client.secret-expiring.v1',
  ClientSecretRemoved: 'muster.client.secret-removed.v1',
  ClientRevoked: 'muster.client.revoked.v1',
  SigningKeyAdded: 'muster.signing-key.added.v1',
};
