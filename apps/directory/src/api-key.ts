import type { KeyScope } from '#contracts';
import { rejection, uniqueKey } from '#scim';
import type { Aggregate, CommandOf, Decided, State, World } from './aggregate.js';

/** A key of the admin API, which names an administrator or a program: the fold of its events. */
export interface ApiKeyState extends State {
  readonly kind: 'key';
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  /** The tenant that it may see and change; null = the whole installation. */
  readonly tenantId: string | null;
  readonly hash: string;
  readonly status: 'active' | 'revoked';
  /** ISO 8601, UTC; null = never. */
  readonly expiresAt: string | null;
}

/** Keys that are not revoked. */
export const MAX_KEYS = 1_000;

/** It lives in the lane of the installation, also where it is good for one tenant: its name is unique among all. */
export const apiKey: Aggregate<ApiKeyState, 'CreateApiKey' | 'RevokeApiKey', 'ApiKeyCreated' | 'ApiKeyRevoked'> = {
  kind: 'key',
  table: 'api_keys',
  columns: {
    id: 'uuid',
    tenant: 'uuid',
    version: 'int',
    created: 'timestamptz',
    name: 'text',
    scopes: 'jsonb',
    of_tenant: 'uuid',
    hash: 'text',
    status: 'text',
    expires_at: 'timestamptz',
  },
  changing: ['version', 'status'],
  unique: [['hash']],
  commands: ['CreateApiKey', 'RevokeApiKey'],
  events: ['ApiKeyCreated', 'ApiKeyRevoked'],
  streamOf: ({ keyId }) => keyId,
  decide: (command, state, world) => {
    if (command.type === 'CreateApiKey') return created(command, world);
    if (!state) return rejection('notFound', `There is no key with the id ${command.keyId}.`);
    return state.status === 'revoked' ? [] : [{ type: 'ApiKeyRevoked' }];
  },
  evolve: (state, event, recordedAt) => {
    if (event.type === 'ApiKeyCreated') {
      const { name, scopes, tenantId, hash, expiresAt } = event;
      return {
        kind: 'key',
        version: 1,
        created: recordedAt,
        name,
        scopes,
        tenantId,
        hash,
        status: 'active',
        expiresAt,
      };
    }
    return state && { ...state, version: state.version + 1, status: 'revoked' };
  },
  rowOf: ({ name, scopes, tenantId: of_tenant, hash, status, expiresAt: expires_at }) => ({
    name,
    scopes,
    of_tenant,
    hash,
    status,
    expires_at,
  }),
  stateOf: ({ name, scopes, of_tenant: tenantId, hash, status, expires_at: expiresAt }) =>
    ({ name, scopes, tenantId, hash, status, expiresAt }) as Omit<ApiKeyState, keyof State>,
};

const created = ({ keyId, type: _type, ...made }: CommandOf<'CreateApiKey'>, world: World): Decided => {
  if (world.get(keyId)) return rejection('conflict', 'The key exists already.');
  const active = world.all(apiKey).filter(({ state }) => state.status === 'active');
  if (active.length >= MAX_KEYS)
    return rejection('conflict', `There are ${MAX_KEYS} keys already, and no more are made: revoke some.`);
  const same = active.find(({ state }) => uniqueKey(state.name) === uniqueKey(made.name));
  return same
    ? rejection(
        'conflict',
        `There is a key "${same.state.name}" already, with the id ${same.id}: revoke it, or choose another name.`,
      )
    : [{ type: 'ApiKeyCreated', ...made }];
};
