import { rejection } from '#scim';
import type { Aggregate, State } from './aggregate.js';
import { directory, noDirectory } from './directory.js';

/** A SCIM token: the fold of its events. */
export interface TokenState extends State {
  readonly kind: 'token';
  readonly directoryId: string;
  readonly description: string;
  readonly hash: string;
  readonly sealed: string;
  readonly status: 'active' | 'revoked';
  /** ISO 8601, UTC; null = never. */
  readonly expiresAt: string | null;
}

type Commands = 'CreateToken' | 'RevokeToken' | 'RevealToken';
type Events = 'TokenCreated' | 'TokenRevoked' | 'TokenRevealed';

export const token: Aggregate<TokenState, Commands, Events> = {
  kind: 'token',
  table: 'tokens',
  columns: {
    id: 'uuid',
    tenant: 'uuid',
    directory: 'uuid',
    version: 'int',
    created: 'timestamptz',
    description: 'text',
    hash: 'text',
    sealed: 'text',
    status: 'text',
    expires_at: 'timestamptz',
  },
  changing: ['version', 'status'],
  unique: [['hash']],
  commands: ['CreateToken', 'RevokeToken', 'RevealToken'],
  events: ['TokenCreated', 'TokenRevoked', 'TokenRevealed'],
  streamOf: ({ tokenId }) => tokenId,
  decide: (command, state, world) => {
    const { tokenId } = command;
    if (command.type === 'CreateToken') {
      const { type: _type, tokenId: _tokenId, ...made } = command;
      if (world.get(made.directoryId)?.kind !== directory.kind) return noDirectory(made.directoryId);
      return world.get(tokenId)
        ? rejection('conflict', 'The token exists already.')
        : [{ type: 'TokenCreated', ...made }];
    }
    if (!state) return rejection('notFound', `There is no token with the id ${tokenId}.`);
    const isRevoked = state.status === 'revoked';
    if (command.type === 'RevokeToken') return isRevoked ? [] : [{ type: 'TokenRevoked' }];
    return isRevoked
      ? rejection('conflict', `The token ${tokenId} is revoked: make another one.`)
      : [{ type: 'TokenRevealed' }];
  },
  evolve: (state, event, created) => {
    if (event.type === 'TokenCreated') {
      const { directoryId, description, hash, sealed, expiresAt } = event;
      return {
        kind: 'token',
        version: 1,
        created,
        directoryId,
        description,
        hash,
        sealed,
        status: 'active',
        expiresAt,
      };
    }
    // A token that was revealed has another version and nothing else: its events tell who saw it, and when.
    const next = state && { ...state, version: state.version + 1 };
    return next && event.type === 'TokenRevoked' ? { ...next, status: 'revoked' } : next;
  },
  rowOf: ({ directoryId: directory, description, hash, sealed, status, expiresAt: expires_at }) => ({
    directory,
    description,
    hash,
    sealed,
    status,
    expires_at,
  }),
  stateOf: ({ directory: directoryId, description, hash, sealed, status, expires_at: expiresAt }) =>
    ({ directoryId, description, hash, sealed, status, expiresAt }) as Omit<TokenState, keyof State>,
};
