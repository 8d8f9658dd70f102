import { rejection } from '#scim';
import type { Aggregate, State, World } from './aggregate.js';

/** A tenant: the fold of its events. */
export interface TenantState extends State {
  readonly kind: 'tenant';
  readonly name: string;
}

/** True if there is the tenant that a command is about; its id is that of its stream. */
export const hasTenant = (world: World): boolean => world.all(tenant).length > 0;

export const tenant: Aggregate<TenantState, 'CreateTenant', 'TenantCreated'> = {
  kind: 'tenant',
  table: 'tenants',
  columns: { id: 'uuid', version: 'int', created: 'timestamptz', name: 'text' },
  changing: ['version', 'name'],
  tenant: 'id',
  commands: ['CreateTenant'],
  events: ['TenantCreated'],
  streamOf: ({ tenantId }) => tenantId,
  decide: ({ tenantId, name }, _state, world) =>
    world.get(tenantId) ? rejection('conflict', 'The tenant exists already.') : [{ type: 'TenantCreated', name }],
  evolve: (_state, { name }, created) => ({ kind: 'tenant', version: 1, created, name }),
  rowOf: ({ name }) => ({ name }),
  stateOf: ({ name }) => ({ name: name as string }),
};
