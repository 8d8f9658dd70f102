import { Injectable } from '@nestjs/common';
import type { PatchOperation } from '#scim';
import type { Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { Tenants } from '../tenants/tenants.queries.js';
import { Groups, type GroupView } from './groups.queries.js';

/** Makes, changes and deletes local groups, by commands like everybody's. */
@Injectable()
export class LocalGroups {
  constructor(
    private readonly groups: Groups,
    private readonly tenants: Tenants,
    private readonly commands: Commands,
  ) {}

  /** A local group. Without a tenant: in the first one. Throws Rejected. */
  async create(asked: Asked, displayName: string, members: readonly string[], tenant?: string): Promise<GroupView> {
    const groupId = asked.newId();
    await this.commands.toGroup(asked, await this.tenants.idOf(tenant), {
      type: 'CreateGroup',
      groupId,
      resource: { displayName },
      members,
    });
    return this.groups.show(groupId);
  }

  /** All or nothing. Throws Rejected: conflict naming the owner of what is no local group. */
  async change(
    asked: Asked,
    id: string,
    change: { readonly displayName?: string; readonly add?: readonly string[]; readonly remove?: readonly string[] },
  ): Promise<GroupView> {
    const { tenant } = await this.groups.show(id);
    const listed = (ids: readonly string[]): { value: string }[] => ids.map((value) => ({ value }));
    const operations: PatchOperation[] = [
      ...(change.displayName === undefined
        ? []
        : [{ op: 'replace', path: 'displayName', value: change.displayName } as const]),
      ...(change.remove?.length ? [{ op: 'remove', path: 'members', value: listed(change.remove) } as const] : []),
      ...(change.add?.length ? [{ op: 'add', path: 'members', value: listed(change.add) } as const] : []),
    ];
    await this.commands.toGroup(asked, tenant, {
      type: 'PatchGroup',
      groupId: id.toLowerCase(),
      operations,
      ifMatch: null,
    });
    return this.groups.show(id);
  }

  async delete(asked: Asked, id: string): Promise<void> {
    const { tenant } = await this.groups.show(id);
    await this.commands.toGroup(asked, tenant, { type: 'DeleteGroup', groupId: id.toLowerCase(), ifMatch: null });
  }
}
