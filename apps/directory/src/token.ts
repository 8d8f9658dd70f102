import { rejection } from '#scim';
import type { TokenStatus } from '#contracts';
import type { Aggregate, CommandOf, Decided, State, World } from './aggregate.js';
import { directory, isDisconnected, noDirectory, type DirectoryState } from './directory.js';
import { warningAt, warningDue } from './expiry-warnings.js';
import { tenantOf } from './tenant.js';

/** A SCIM token: the fold of its events. */
export interface TokenState extends State {
  readonly kind: 'token';
  readonly directoryId: string;
  readonly description: string;
  readonly hash: string;
  readonly sealed: string;
  readonly status: TokenStatus;
  /** ISO 8601, UTC; null = never. */
  readonly expiresAt: string | null;
  /** The token that took its place; null = none did. */
  readonly replacedBy: string | null;
  /** The warning that was given last, in days before the end; none is given of a moment that had passed at first. */
  readonly warned: number | null;
}

type Commands = 'CreateToken' | 'ChangeToken' | 'RotateToken' | 'RevokeToken' | 'RevealToken' | 'WarnOfExpiry';
type Events = 'TokenCreated' | 'TokenChanged' | 'TokenRotated' | 'TokenExpiring' | 'TokenRevoked' | 'TokenRevealed';

/** Tokens of one directory that are not revoked. */
export const MAX_TOKENS_PER_DIRECTORY = 50;
export const MAX_OVERLAP_DAYS = 90;
const DAY_SECONDS = 86_400;

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
    replaced_by: 'uuid',
    warned: 'int',
  },
  changing: ['version', 'description', 'status', 'expires_at', 'replaced_by', 'warned'],
  unique: [['hash']],
  commands: ['CreateToken', 'ChangeToken', 'RotateToken', 'RevokeToken', 'RevealToken', 'WarnOfExpiry'],
  events: ['TokenCreated', 'TokenChanged', 'TokenRotated', 'TokenExpiring', 'TokenRevoked', 'TokenRevealed'],
  streamOf: ({ tokenId }) => tokenId,
  decide: (command, state, world) => {
    const { tokenId } = command;
    if (command.type === 'CreateToken') return created(command, world);
    if (!state) return rejection('notFound', `There is no token with the id ${tokenId}.`);
    const isRevoked = state.status === 'revoked';
    if (command.type === 'RevokeToken') return isRevoked ? [] : [{ type: 'TokenRevoked' }];
    if (command.type === 'WarnOfExpiry') {
      const days = state.status === 'active' ? warningDue(state, Date.parse(world.now)) : null;
      return days === null
        ? []
        : [{ type: 'TokenExpiring', days, expiresAt: new Date(state.expiresAt!).toISOString() }];
    }
    if (isRevoked) return rejection('conflict', `The token ${tokenId} is revoked: make another one.`);
    if (command.type === 'ChangeToken') return changed(command, state);
    return command.type === 'RotateToken' ? rotated(command, state, world) : revealed(world);
  },
  evolve: (state, event, recordedAt) => {
    const warned = (expiresAt: string | null): number | null => warningAt(expiresAt, Date.parse(recordedAt));
    if (event.type === 'TokenCreated') {
      const { directoryId, description, hash, sealed, expiresAt } = event;
      return {
        kind: 'token',
        version: 1,
        created: recordedAt,
        directoryId,
        description,
        hash,
        sealed,
        status: 'active',
        expiresAt,
        replacedBy: null,
        warned: warned(expiresAt),
      };
    }
    const next = state && { ...state, version: state.version + 1 };
    if (!next) return null;
    switch (event.type) {
      case 'TokenChanged': {
        const { description = next.description, status = next.status } = event;
        return { ...next, description, status };
      }
      case 'TokenRotated': {
        const { newTokenId: replacedBy, expiresAt } = event;
        return { ...next, replacedBy, expiresAt, warned: warned(expiresAt) };
      }
      case 'TokenExpiring':
        return { ...next, warned: event.days };
      case 'TokenRevoked':
        return { ...next, status: 'revoked' };
      default:
        // A token that was revealed has another version and nothing else: its events tell who saw it, and when.
        return next;
    }
  },
  disconnected: (state, directoryId) =>
    state.directoryId === directoryId && state.status !== 'revoked' ? { type: 'TokenRevoked' } : null,
  rowOf: ({ directoryId, description, hash, sealed, status, expiresAt, replacedBy, warned }) => ({
    directory: directoryId,
    description,
    hash,
    sealed,
    status,
    expires_at: expiresAt,
    replaced_by: replacedBy,
    warned,
  }),
  stateOf: ({ directory: directoryId, description, hash, sealed, status, expires_at, replaced_by, warned }) =>
    ({
      directoryId,
      description,
      hash,
      sealed,
      status,
      expiresAt: expires_at,
      replacedBy: replaced_by,
      warned,
    }) as Omit<TokenState, keyof State>,
};

const created = ({ type: _type, tokenId, ...made }: CommandOf<'CreateToken'>, world: World): Decided => {
  const of = world.get(made.directoryId);
  if (of?.kind !== directory.kind) return noDirectory(made.directoryId);
  if ((of as DirectoryState).status === 'disconnected') return isDisconnected(made.directoryId);
  if (world.get(tokenId)) return rejection('conflict', 'The token exists already.');
  return tooMany(made.directoryId, world) ?? [{ type: 'TokenCreated', ...made }];
};

const tooMany = (directoryId: string, world: World): Decided | null => {
  const living = world
    .all(token)
    .filter(({ state }) => state.directoryId === directoryId && state.status !== 'revoked');
  return living.length < MAX_TOKENS_PER_DIRECTORY
    ? null
    : rejection(
        'conflict',
        `The directory has ${living.length} tokens that are not revoked, and that is the limit: revoke those that nobody uses.`,
      );
};

const changed = ({ description, status }: CommandOf<'ChangeToken'>, state: TokenState): Decided => {
  const changes = {
    ...(description === undefined || description === state.description ? {} : { description }),
    ...(status === undefined || status === state.status ? {} : { status }),
  };
  return Object.keys(changes).length === 0 ? [] : [{ type: 'TokenChanged', ...changes }];
};

const rotated = (command: CommandOf<'RotateToken'>, state: TokenState, world: World): Decided => {
  const { newTokenId, hash, sealed, overlapSeconds } = command;
  if (!(Number.isInteger(overlapSeconds) && overlapSeconds >= 0 && overlapSeconds <= MAX_OVERLAP_DAYS * DAY_SECONDS))
    return rejection('invalidValue', `The old token lives on for 0 to ${MAX_OVERLAP_DAYS} days.`);
  if (state.replacedBy !== null) {
    return rejection(
      'conflict',
      `The token ${command.tokenId} was rotated already: the token ${state.replacedBy} has taken its place.`,
    );
  }
  if (world.get(newTokenId)) return rejection('conflict', 'The token exists already.');
  const refused = tooMany(state.directoryId, world);
  if (refused) return refused;
  const now = Date.parse(world.now);
  const endOf = (expiresAt: string | null): number => (expiresAt === null ? Infinity : Date.parse(expiresAt));
  const end = new Date(Math.min(endOf(state.expiresAt), now + overlapSeconds * 1_000)).toISOString();
  const lifeMs = endOf(state.expiresAt) - Date.parse(state.created);
  const expiresAt =
    command.expiresAt === undefined && Number.isFinite(lifeMs)
      ? new Date(now + lifeMs).toISOString()
      : (command.expiresAt ?? null);
  const { directoryId, description } = state;
  return [
    { type: 'TokenRotated', newTokenId, expiresAt: end },
    { at: newTokenId, event: { type: 'TokenCreated', directoryId, description, hash, sealed, expiresAt } },
  ];
};

const revealed = (world: World): Decided =>
  tenantOf(world)?.revealTokens === false
    ? rejection(
        'forbidden',
        'This tenant shows no token again after it was made: rotate the token, or let an administrator who manages the installation switch it on with "tenant set <tenant> --reveal-tokens on".',
      )
    : [{ type: 'TokenRevealed' }];
