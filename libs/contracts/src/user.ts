import type { Json, PatchOperation, Resource } from '#scim';

/** Commands about one user: imperative; the owner decides. `ifMatch` lists stream versions, null = any. */
export type UserCommand =
  | { readonly type: 'CreateUser'; readonly userId: string; readonly resource: Resource }
  | {
      readonly type: 'PatchUser';
      readonly userId: string;
      readonly operations: readonly PatchOperation[];
      readonly ifMatch: readonly number[] | null;
    }
  | { readonly type: 'DeleteUser'; readonly userId: string; readonly ifMatch: readonly number[] | null };

/** The settings of the directory that were in force when the decision was made. */
export interface DecidedUnder {
  readonly directory: string;
  readonly directoryVersion: number;
}

/** Facts about one user: past tense, never renamed, never reshaped (a new shape is a new version, see upcast.ts). */
export type UserEvent =
  | ({ readonly type: 'UserCreated'; readonly resource: Resource } & DecidedUnder)
  | ({ readonly type: 'UserChanged'; readonly changes: { readonly [attribute: string]: Json | null } } & DecidedUnder)
  | ({ readonly type: 'UserDeactivated' } & DecidedUnder)
  | ({ readonly type: 'UserReactivated' } & DecidedUnder)
  | ({ readonly type: 'UserDeleted' } & DecidedUnder);

/** Type names on the wire, each with the version of its shape. */
export const USER_COMMAND_TYPES: { readonly [type in UserCommand['type']]: string } = {
  CreateUser: 'muster.user.create.v1',
  PatchUser: 'muster.user.patch.v1',
  DeleteUser: 'muster.user.delete.v1',
};
export const USER_EVENT_TYPES: { readonly [type in UserEvent['type']]: string } = {
  UserCreated: 'muster.user.created.v1',
  UserChanged: 'muster.user.changed.v1',
  UserDeactivated: 'muster.user.deactivated.v1',
  UserReactivated: 'muster.user.reactivated.v1',
  UserDeleted: 'muster.user.deleted.v1',
};
