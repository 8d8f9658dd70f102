import { rejection } from '#scim';
import type { TenantSettings } from '#contracts';
import type { Aggregate, CommandOf, Decided, State, World } from './aggregate.js';

/** A tenant: the fold of its events. */
export interface TenantState extends State, TenantSettings {
  readonly kind: 'tenant';
  readonly name: string;
}

type Commands = 'CreateTenant' | 'RenameTenant' | 'ChangeTenant';
type Events = 'TenantCreated' | 'TenantRenamed' | 'TenantChanged';

export const DEFAULT_TENANT_SETTINGS: TenantSettings = { revealTokens: true };

/** The tenant that a command is about; its id is that of its stream. */
export const tenantOf = (world: World): TenantState | null => world.all(tenant)[0]?.state ?? null;

/** True if there is one. */
export const hasTenant = (world: World): boolean => tenantOf(world) !== null;

export const tenant: Aggregate<TenantState, Commands, Events> = {
  kind: 'tenant',
  table: 'tenants',
  columns: { id: 'uuid', version: 'int', created: 'timestamptz', name: 'text', reveal_tokens: 'boolean' },
  changing: ['version', 'name', 'reveal_tokens'],
  tenant: 'id',
  commands: ['CreateTenant', 'RenameTenant', 'ChangeTenant'],
  events: ['TenantCreated', 'TenantRenamed', 'TenantChanged'],
  streamOf: ({ tenantId }) => tenantId,
  decide: (command, state, world) => {
    if (command.type === 'CreateTenant') {
      return world.get(command.tenantId)
        ? rejection('conflict', 'The tenant exists already.')
        : [{ type: 'TenantCreated', name: command.name }];
    }
    if (!state) return rejection('notFound', `There is no tenant with the id ${command.tenantId}.`);
    if (command.type === 'RenameTenant')
      return command.name === state.name ? [] : [{ type: 'TenantRenamed', name: command.name }];
    return changed(command, state);
  },
  evolve: (state, event, created) => {
    if (event.type === 'TenantCreated')
      return { kind: 'tenant', version: 1, created, name: event.name, ...DEFAULT_TENANT_SETTINGS };
    const next = state && { ...state, version: state.version + 1 };
    if (event.type === 'TenantRenamed') return next && { ...next, name: event.name };
    return next && { ...next, ...event.settings };
  },
  rowOf: ({ name, revealTokens: reveal_tokens }) => ({ name, reveal_tokens }),
  stateOf: ({ name, reveal_tokens: revealTokens }) => ({ name: name as string, revealTokens: revealTokens as boolean }),
};

const changed = ({ settings: { revealTokens } }: CommandOf<'ChangeTenant'>, state: TenantState): Decided =>
  revealTokens === undefined || revealTokens === state.revealTokens
    ? []
    : [{ type: 'TenantChanged', settings: { revealTokens } }];
