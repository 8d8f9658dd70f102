import { rejection, type Rejection } from '#scim';
import type { DirectoryCommand, DirectoryEvent } from '#contracts';

/** A SCIM token: the fold of its events. */
export interface TokenState {
  readonly kind: 'token';
  readonly version: number;
  readonly created: string;
  readonly directoryId: string;
  readonly description: string;
  readonly hash: string;
  readonly sealed: string;
  readonly status: 'active' | 'revoked';
  readonly expiresAt: string | null;
}

/** `isTaken` = there is something under this id. */
export const createToken = (
  { directoryId, description, hash, sealed, expiresAt }: Extract<DirectoryCommand, { type: 'CreateToken' }>,
  isTaken: boolean,
  directoryExists: (id: string) => boolean,
): DirectoryEvent[] | Rejection => {
  if (!directoryExists(directoryId)) return rejection('notFound', `There is no directory with the id ${directoryId}.`);
  if (isTaken) return rejection('conflict', 'The token exists already.');
  return [{ type: 'TokenCreated', directoryId, description, hash, sealed, expiresAt }];
};

/** Revokes or reveals a token; null = there is none. */
export const changeToken = (
  { type, tokenId }: Extract<DirectoryCommand, { type: 'RevokeToken' | 'RevealToken' }>,
  token: TokenState | null,
): DirectoryEvent[] | Rejection => {
  if (!token) return rejection('notFound', `There is no token with the id ${tokenId}.`);
  const isRevoked = token.status === 'revoked';
  if (type === 'RevokeToken') return isRevoked ? [] : [{ type: 'TokenRevoked' }];
  return isRevoked
    ? rejection('conflict', `The token ${tokenId} is revoked: make another one.`)
    : [{ type: 'TokenRevealed' }];
};

export const newToken = (
  { directoryId, description, hash, sealed, expiresAt }: Extract<DirectoryEvent, { type: 'TokenCreated' }>,
  created: string,
): TokenState => ({
  kind: 'token',
  version: 1,
  created,
  directoryId,
  description,
  hash,
  sealed,
  status: 'active',
  expiresAt,
});

/** A token that was revealed has another version and nothing else: its events tell who saw it, and when. */
export const changedToken = (token: TokenState, event: 'TokenRevoked' | 'TokenRevealed'): TokenState => ({
  ...token,
  version: token.version + 1,
  ...(event === 'TokenRevoked' ? { status: 'revoked' } : {}),
});
