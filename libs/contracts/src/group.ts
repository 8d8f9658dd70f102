import type { PatchOperation, Resource } from '#scim';
import type { AttributeChanges, Conditions } from './user.js';

/** Commands about groups: imperative; the owner decides. `members` are ids. */
export type GroupCommand =
  | {
      readonly type: 'CreateGroup';
      readonly groupId: string;
      readonly resource: Resource;
      readonly members: readonly string[];
    }
  /** Operations on `members` are changes of memberships; the list as a whole is never sent. */
  | ({
      readonly type: 'PatchGroup';
      readonly groupId: string;
      readonly operations: readonly PatchOperation[];
    } & Conditions)
  /** `resource` and `members` are all that the group shall have. */
  | ({
      readonly type: 'ReplaceGroup';
      readonly groupId: string;
      readonly resource: Resource;
      readonly members: readonly string[];
    } & Conditions)
  | ({ readonly type: 'DeleteGroup'; readonly groupId: string } & Conditions)
  /** A user has been deleted: it leaves every group that it is in. */
  | { readonly type: 'LeaveGroups'; readonly memberId: string };

export const MEMBER_TYPES = ['User', 'Group'] as const;
export type MemberType = (typeof MEMBER_TYPES)[number];

export interface Member {
  readonly type: MemberType;
  /** The id of the user or group. */
  readonly value: string;
}

/** Facts about one group: past tense, never renamed, never reshaped. */
export type GroupEvent =
  /**
   * `directory` owns the group: its identity provider alone changes it; null = a local group, which administrators
   * change.
   */
  | { readonly type: 'GroupCreated'; readonly resource: Resource; readonly directory: string | null }
  | { readonly type: 'GroupChanged'; readonly changes: AttributeChanges }
  /**
   * Exactly the memberships that came and went; at most MAX_MEMBERS_PER_EVENT of them, a larger change is several
   * events.
   */
  | { readonly type: 'GroupMembersChanged'; readonly added: readonly Member[]; readonly removed: readonly Member[] }
  | { readonly type: 'GroupDeleted' };

/** A group as the answer to a write shows it; memberships are read where they are asked for. */
export interface GroupSnapshot {
  readonly id: string;
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly lastModified: string;
  readonly resource: Resource;
  readonly memberCount: number;
}

export const GROUP_COMMAND_TYPES: { readonly [type in GroupCommand['type']]: string } = {
  CreateGroup: 'muster.group.create.v1',
  PatchGroup: 'muster.group.patch.v1',
  ReplaceGroup: 'muster.group.replace.v1',
  DeleteGroup: 'muster.group.delete.v1',
  LeaveGroups: 'muster.group.leave-all.v1',
};
export const GROUP_EVENT_TYPES: { readonly [type in GroupEvent['type']]: string } = {
  GroupCreated: 'muster.group.created.v1',
  GroupChanged: 'muster.group.changed.v1',
  GroupMembersChanged: 'muster.group.members-changed.v1',
  GroupDeleted: 'muster.group.deleted.v1',
};
