import type { Resource, TenantSchema } from '#scim';
import type { SettingsReadBy } from './directory-settings.js';
import type { DirectoryKind, DirectoryStatus, TokenStatus } from './directory.js';
import type { GroupOfUser } from './outcome.js';
import type { Member } from './group.js';
import { schemaOf, type Owner } from './topics.js';
import type { AttributeChanges, Held, Matching } from './user.js';

/** The published views: what one service may read of another. A new shape is a new view, under a new name. */
export const USERS_VIEW = 'identity.users_v1';
/** Users for administrators. */
export const ADMINISTERED_USERS_VIEW = 'identity.administered_users_v1';
/** Names and sign-in ids of users that their rows do not say, because they had them before; those of deleted users, too. */
export const KNOWN_AS_VIEW = 'identity.known_as_v1';
/** The kinds of identifiers there. Names are keys (nameKey, uniqueKey), the last two are as they were sent. */
export type KnownAsKind = 'displayName' | 'userName' | 'email' | 'externalId' | 'providerId';
/** Users who were deleted. */
export const DELETED_USERS_VIEW = 'identity.deleted_users_v1';
export const GROUPS_VIEW = '"group".groups_v1';
export const MEMBERS_VIEW = '"group".members_v1';
/** The users whom their directory has deleted, and who are kept as archived: no client is shown them. */
export const WITHDRAWN_VIEW = 'identity.withdrawn_v1';
/** Stands in the column `directory` of such a user, so that no directory, and none that is offered users of nobody, sees it. */
export const WITHDRAWN = '00000000-0000-0000-0000-000000000000';
/**
 * A function of a tenant and texts: an index holds what it makes of the work e-mails of a user besides the first one.
 */
export const OF_TENANT = 'identity.of_tenant';
/** A function of a tenant and ids of members: the groups that each is in, directly or through others. */
export const GROUPS_OF = '"group".groups_of';
/**
 * A function of tenant, group, last member of the page before, and page length: the active users in a group, also
 * through others.
 */
export const EFFECTIVE_MEMBERS = '"group".effective_members';
/**
 * A function of tenant, groups, first and last member, and a number of groups: the users between the two who are in any
 * of the groups, also through others of the same directory or local ones, archived or not. A row without a member says that there are more groups to look
 * into than that number.
 */
export const MEMBERS_OF_ANY = '"group".members_of_any';
/** Each owner publishes its events, without what is personal in them, and the outcomes of its commands. */
export const eventsViewOf = (owner: Owner): string => `${schemaOf(owner)}.events_v1`;
export const outcomesViewOf = (owner: Owner): string => `${schemaOf(owner)}.outcomes_v1`;
/** Entries of the audit log, what their events say, and the requests that faces were asked. */
export const AUDIT_ENTRIES_VIEW = 'audit.entries_v1';
export const AUDIT_PAYLOADS_VIEW = 'audit.payloads_v1';
/** tenant, number, recorded_at, before, keep_days: what was announced to be purged; the last one of a tenant counts. */
export const AUDIT_PURGES_VIEW = 'audit.announced_purges_v1';
/** The log of each tenant as a transparency log: its name and key, the checkpoints that it signed, its complete tiles. */
export const AUDIT_LOGS_VIEW = 'audit.logs_v1';
export const AUDIT_CHECKPOINTS_VIEW = 'audit.checkpoints_v1';
export const AUDIT_TILES_VIEW = 'audit.tiles_v1';
export const AUDIT_REQUESTS_VIEW = 'audit.requests_v1';
export const AUDIT_BODIES_VIEW = 'audit.bodies_v1';
export const AUDIT_READ_COUNTS_VIEW = 'audit.read_counts_v1';
/** Requests of identity providers, by the minute. */
export const AUDIT_REQUEST_COUNTS_VIEW = 'audit.request_counts_v1';
export const TENANTS_VIEW = 'directory.tenants_v1';
export const DIRECTORIES_VIEW = 'directory.directories_v1';
/** The events of directory, by tenant: the last one says whether directories and schemas are what they were. */
export const REVISIONS_VIEW = 'directory.revisions_v1';
export const TOKENS_VIEW = 'directory.tokens_v1';
/** Tokens for those who list them: neither the hash nor the sealed token. */
export const LISTED_TOKENS_VIEW = 'directory.listed_tokens_v1';
/** Keys of the admin API, with their hashes. */
export const API_KEYS_VIEW = 'directory.api_keys_v1';
/** When each token, key of the admin API or client was used last, by its id. */
export const LAST_USES_VIEW = 'directory.last_uses_v1';
/** A function of ids and moments, by which faces record uses. */
export const RECORD_USES = 'directory.record_uses';
/** Sealed tokens, but only those of which an event says that somebody was to see them. */
export const REVEALED_TOKENS_VIEW = 'directory.revealed_tokens_v1';
/** Clients of OAuth 2.0 that have access tokens, with what their directories let them see. */
export const CLIENTS_VIEW = 'directory.clients_v1';
/** The same as they ask for one: with the hashes of their secrets. */
export const CLIENT_SECRETS_VIEW = 'directory.client_secrets_v1';
/** The same for those who list them: without hashes. */
export const LISTED_CLIENTS_VIEW = 'directory.listed_clients_v1';
/** The newest key that signs access tokens, sealed; and the public ones that verify them. */
export const SIGNING_KEYS_VIEW = 'directory.signing_keys_v1';
export const PUBLIC_KEYS_VIEW = 'directory.public_keys_v1';
/** The last accepted and the last refused authentication of each directory. */
export const AUTHENTICATIONS_VIEW = 'directory.authentications_v1';
/** E-mail domains of tenants; `verified_by` is null where nothing has proved yet whose they are. */
export const DOMAINS_VIEW = 'directory.domains_v1';
/** Extensions that tenants have defined; a row as JSON is a TenantSchema. */
export const SCHEMAS_VIEW = 'directory.schemas_v1';
/**
 * SQL: the schemas of tenants, as an array of `TenantSchema` with their tenant; `tenants` is what follows `s.tenant` in
 * a condition.
 */
export const schemasAsJson = (tenants: string): string => `
  (SELECT json_agg(json_build_object('tenant', s.tenant, 'id', s.id, 'version', s.version, 'resourceType', s.resource_type, 'schema', s.schema))
   FROM ${SCHEMAS_VIEW} s WHERE s.tenant ${tenants})`;

/** A row of `identity.users_v1`: one user, managed by a directory or by nobody. */
export interface UserRow {
  readonly id: string;
  readonly version: number;
  readonly created: Date;
  readonly lastModified: Date;
  readonly resource: Resource;
  /** Beside the view: whether the user is in any group, and then in which. */
  readonly isMember: boolean;
  readonly groups?: readonly GroupOfUser[];
}

/** A row of `"group".groups_v1`: one group, owned by a directory or local. */
export interface GroupRow {
  readonly id: string;
  readonly directory: string | null;
  readonly version: number;
  readonly created: Date;
  readonly lastModified: Date;
  readonly resource: Resource;
  readonly memberCount: number;
}

/**
 * A row of `identity.events_v1` or `"group".events_v1`: one event of one user or group, without the personal data in
 * it.
 */
export interface EventRow {
  readonly tenant: string;
  readonly sequence: number;
  /** The id of the user or group. */
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly recordedAt: Date;
  readonly commandId: string;
  readonly correlationId: string;
  readonly actor: string;
  readonly directory: string | null;
  /**
   * A change has `attributes`, the names of what changed, not the values. A match has `matching`. An event of a group
   * also has the values, and exactly who came and went.
   */
  readonly data: {
    readonly attributes?: readonly string[];
    /** The paths of attributes that stayed as administrators have set them. */
    readonly leftOut?: readonly string[];
    /** The paths of attributes that administrators have set. */
    readonly local?: readonly string[];
    readonly matching?: Matching | null;
    /** Why a user is kept archived; null = it no longer is. */
    readonly held?: Held | null;
    readonly changes?: AttributeChanges;
    readonly added?: readonly Member[];
    readonly removed?: readonly Member[];
    /** Why, in the words of the administrator. */
    readonly reason?: string;
  };
}

/** A row of `directory.tokens_v1`: a token, and what its directory lets it see. */
export interface TokenRow {
  readonly id: string;
  readonly tenant: string;
  readonly directory: string;
  readonly status: TokenStatus;
  readonly expiresAt: Date | null;
  /** The kind of the directory. */
  readonly kind: DirectoryKind;
  readonly directoryName: string;
  readonly directoryStatus: DirectoryStatus;
  /** The version with which the directory moved to another identity provider last; null = it never did. */
  readonly movedVersion: number | null;
  readonly settings: SettingsReadBy<'gateway'>;
  /** Beside the view: what the tenant has defined; null = nothing. */
  readonly schemas: readonly TenantSchema[] | null;
}
