import type { ExpiryWarningDays, Federation } from '#contracts';
import { rejection, uniqueKey } from '#scim';
import type { Aggregate, CommandOf, Decided, State, World } from './aggregate.js';
import { directory, isDisconnected, noDirectory, type DirectoryState } from './directory.js';
import { warningAt, warningDue } from './expiry-warnings.js';

/** A secret is looked for among all of its client. A rotation needs two, for a while. */
const MAX_SECRETS = 10;
/** A directory has one identity provider; this leaves room for its rotations and trials. */
const MAX_CLIENTS = 50;

export interface ClientSecret {
  readonly id: string;
  readonly description: string;
  readonly hash: string;
  /** ISO 8601, UTC; null = never. */
  readonly expiresAt: string | null;
  /** The warning that was given last, or whose moment had passed when the secret was made; left out = none. */
  readonly warned?: ExpiryWarningDays;
}

/** A client of OAuth 2.0: the fold of its events. */
export interface ClientState extends State {
  readonly kind: 'client';
  readonly directoryId: string;
  readonly name: string;
  readonly federation: Federation | null;
  readonly status: 'active' | 'revoked';
  readonly secrets: readonly ClientSecret[];
}

type Commands = 'CreateClient' | 'AddClientSecret' | 'RemoveClientSecret' | 'WarnOfSecretExpiry' | 'RevokeClient';
type Events = 'ClientCreated' | 'ClientSecretAdded' | 'ClientSecretExpiring' | 'ClientSecretRemoved' | 'ClientRevoked';

export const client: Aggregate<ClientState, Commands, Events> = {
  kind: 'client',
  table: 'clients',
  columns: {
    id: 'uuid',
    tenant: 'uuid',
    directory: 'uuid',
    version: 'int',
    created: 'timestamptz',
    name: 'text',
    federation: 'jsonb',
    status: 'text',
    secrets: 'jsonb',
  },
  changing: ['version', 'status', 'secrets'],
  commands: ['CreateClient', 'AddClientSecret', 'RemoveClientSecret', 'WarnOfSecretExpiry', 'RevokeClient'],
  events: ['ClientCreated', 'ClientSecretAdded', 'ClientSecretExpiring', 'ClientSecretRemoved', 'ClientRevoked'],
  streamOf: ({ clientId }) => clientId,
  decide: (command, state, world) => {
    if (command.type === 'CreateClient') return created(command, world);
    const { clientId } = command;
    if (!state) return rejection('notFound', `There is no client with the id ${clientId}.`);
    switch (command.type) {
      case 'RevokeClient':
        return state.status === 'revoked' ? [] : [{ type: 'ClientRevoked' }];
      case 'RemoveClientSecret':
        return state.secrets.some(({ id }) => id === command.secretId)
          ? [{ type: 'ClientSecretRemoved', secretId: command.secretId }]
          : rejection('notFound', `The client ${clientId} has no secret with the id ${command.secretId}.`);
      case 'AddClientSecret':
        return secretAdded(command, state);
      case 'WarnOfSecretExpiry':
        return secretExpiring(command.secretId, state, world);
    }
  },
  evolve: (state, event, recordedAt) => {
    if (event.type === 'ClientCreated') {
      const { directoryId, name, federation } = event;
      const [status, secrets] = ['active', [] as const] as const;
      return { kind: 'client', version: 1, created: recordedAt, directoryId, name, federation, status, secrets };
    }
    const next = state && { ...state, version: state.version + 1 };
    if (!next) return null;
    switch (event.type) {
      case 'ClientSecretAdded': {
        const { secretId: id, description, hash, expiresAt } = event;
        const warned = warningAt(expiresAt, Date.parse(recordedAt));
        const added = { id, description, hash, expiresAt, ...(warned === null ? {} : { warned }) };
        return { ...next, secrets: [...next.secrets, added] };
      }
      case 'ClientSecretExpiring':
        return {
          ...next,
          secrets: next.secrets.map((one) => (one.id === event.secretId ? { ...one, warned: event.days } : one)),
        };
      case 'ClientSecretRemoved':
        return { ...next, secrets: next.secrets.filter(({ id }) => id !== event.secretId) };
      case 'ClientRevoked':
        return { ...next, status: 'revoked' };
    }
  },
  disconnected: (state, directoryId) =>
    state.directoryId === directoryId && state.status !== 'revoked' ? { type: 'ClientRevoked' } : null,
  rowOf: ({ directoryId, name, federation, status, secrets }) => ({
    directory: directoryId,
    name,
    federation,
    status,
    secrets,
  }),
  stateOf: ({ directory: directoryId, name, federation, status, secrets }) =>
    ({ directoryId, name, federation, status, secrets }) as Omit<ClientState, keyof State>,
};

const created = ({ clientId, directoryId, name, federation }: CommandOf<'CreateClient'>, world: World): Decided => {
  const of = world.get(directoryId);
  if (of?.kind !== directory.kind) return noDirectory(directoryId);
  if ((of as DirectoryState).status === 'disconnected') return isDisconnected(directoryId);
  if (world.get(clientId)) return rejection('conflict', 'The client exists already.');
  const others = world
    .all(client)
    .filter(({ state }) => state.directoryId === directoryId && state.status === 'active');
  if (others.length >= MAX_CLIENTS)
    return rejection('conflict', `A directory has at most ${MAX_CLIENTS} clients that are active. Revoke one of them.`);
  // A client of that name which was revoked stays in the history, and another may take its place.
  return others.some(({ state }) => uniqueKey(state.name) === uniqueKey(name))
    ? rejection('conflict', `The directory has a client of the name "${name}" already. Choose another name.`)
    : [{ type: 'ClientCreated', directoryId, name, federation }];
};

const secretExpiring = (secretId: string, { status, secrets }: ClientState, world: World): Decided => {
  const secret = status === 'active' ? secrets.find(({ id }) => id === secretId) : undefined;
  if (!secret?.expiresAt) return [];
  const { expiresAt, warned = null } = secret;
  const days = warningDue({ expiresAt, warned }, Date.parse(world.now));
  return days === null
    ? []
    : [{ type: 'ClientSecretExpiring', secretId, days, expiresAt: new Date(expiresAt).toISOString() }];
};

const secretAdded = (
  { clientId, secretId, description, hash, expiresAt }: CommandOf<'AddClientSecret'>,
  state: ClientState,
): Decided => {
  if (state.status === 'revoked') return rejection('conflict', `The client ${clientId} is revoked: make another one.`);
  if (state.federation)
    return rejection(
      'conflict',
      `The client ${clientId} proves who it is by tokens of ${state.federation.issuer}: make another one for a secret.`,
    );
  if (state.secrets.some(({ id }) => id === secretId)) return rejection('conflict', 'The secret exists already.');
  return state.secrets.length >= MAX_SECRETS
    ? rejection('conflict', `A client has at most ${MAX_SECRETS} secrets. Remove one of them first.`)
    : [{ type: 'ClientSecretAdded', secretId, description, hash, expiresAt }];
};
