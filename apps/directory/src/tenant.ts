import { rejection, type Rejection } from '#scim';
import type { DirectoryCommand, DirectoryEvent } from '#contracts';

/** A tenant: the fold of its events. */
export interface TenantState {
  readonly kind: 'tenant';
  readonly version: number;
  readonly created: string;
  readonly name: string;
}

/** `isTaken` = there is something under this id. */
export const createTenant = (
  { name }: Extract<DirectoryCommand, { type: 'CreateTenant' }>,
  isTaken: boolean,
): DirectoryEvent[] | Rejection =>
  isTaken ? rejection('conflict', 'The tenant exists already.') : [{ type: 'TenantCreated', name }];

export const newTenant = (
  { name }: Extract<DirectoryEvent, { type: 'TenantCreated' }>,
  created: string,
): TenantState => ({ kind: 'tenant', version: 1, created, name });
