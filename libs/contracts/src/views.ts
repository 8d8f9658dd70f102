import type { Resource } from '#scim';
import type { Matching } from './user.js';

/** The published views: what one service may read of another. A new shape is a new view, under a new name. */
export const USERS_VIEW = 'identity.users_v2';
export const IDENTITY_EVENTS_VIEW = 'identity.events_v1';
export const IDENTITY_OUTCOMES_VIEW = 'identity.outcomes_v1';
export const ADMIN_OUTCOMES_VIEW = 'admin.outcomes_v1';
export const DIRECTORIES_VIEW = 'admin.directories_v2';
export const TOKENS_VIEW = 'admin.tokens_v2';

/** A row of `identity.users_v2`: one user, managed by a directory or by nobody. */
export interface UserRow {
  readonly id: string;
  readonly version: number;
  readonly created: Date;
  readonly lastModified: Date;
  readonly resource: Resource;
}

/** A row of `identity.events_v1`: one event of one user, without the personal data in it. */
export interface EventRow {
  readonly tenant: string;
  readonly sequence: number;
  /** The user's id. */
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly recordedAt: Date;
  readonly commandId: string;
  readonly correlationId: string;
  readonly actor: string;
  readonly directory: string | null;
  /** Of a change: `attributes`, the names of what changed, not the values. Of who was taken for whom: `matching`. */
  readonly data: { readonly attributes?: readonly string[]; readonly matching?: Matching | null };
}

/** A row of `admin.tokens_v2`: a token, and what its directory lets it see. */
export interface TokenRow {
  readonly id: string;
  readonly tenant: string;
  readonly directory: string;
  readonly status: 'active' | 'revoked';
  readonly expiresAt: Date | null;
  readonly offerExistingUsers: boolean;
}
