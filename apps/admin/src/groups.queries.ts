import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  DIRECTORIES_VIEW,
  EFFECTIVE_MEMBERS,
  GROUP_COMMAND_TYPES,
  GROUPS_VIEW,
  MEMBERS_VIEW,
  type GroupCommand,
  type GroupSnapshot,
  type MemberType,
} from '#contracts';
import type { RequestReply } from '#log';
import { isUuid, uuidv7 } from '#runtime';
import { Rejected, type PatchOperation } from '#scim';
import { sendCommand } from './commands.sender.js';
import { ADMIN_POOL, Directories } from './directories.queries.js';

export const GROUP_REQUESTS = Symbol('RequestReply from admin to group');

/** A group as an administrator sees it, whoever owns it. */
export interface GroupView {
  readonly id: string;
  readonly tenant: string;
  readonly displayName: string;
  /** The directory that owns it, and whose identity provider alone changes it; null = a local group. */
  readonly directory: { readonly id: string; readonly name: string } | null;
  readonly members: number;
  readonly version: number;
}

export interface MemberView {
  readonly id: string;
  readonly type: MemberType;
}

const SELECT = `
  SELECT g.id, g.tenant, g.resource->>'displayName' AS "displayName", g.member_count AS members, g.version,
    (SELECT json_build_object('id', d.id, 'name', d.name) FROM ${DIRECTORIES_VIEW} d WHERE d.id = g.directory) AS directory
  FROM ${GROUPS_VIEW} g`;

/** Groups for administrators: all are read, local ones are made and changed, by commands like everybody's. */
@Injectable()
export class Groups {
  constructor(
    @Inject(ADMIN_POOL) private readonly pool: Pool,
    @Inject(GROUP_REQUESTS) private readonly group: RequestReply,
    private readonly directories: Directories,
  ) {}

  /** In the order of creation, those after `after`. Without a tenant: of the first one. */
  async page(tenant: string | undefined, after: string, limit: number): Promise<GroupView[]> {
    const { rows } = await this.pool.query<GroupView>(
      `${SELECT} WHERE g.tenant = $1 AND g.id > $2 ORDER BY g.id LIMIT $3`,
      [(await this.directories.tenant(tenant)).id, after, limit],
    );
    return rows;
  }

  /** Throws Rejected(notFound). */
  async show(id: string): Promise<GroupView> {
    const { rows } = isUuid(id) ? await this.pool.query<GroupView>(`${SELECT} WHERE g.id = $1`, [id]) : { rows: [] };
    if (!rows[0]) throw new Rejected('notFound', `There is no group with the id ${id}.`);
    return rows[0];
  }

  /**
   * Members in the order of their ids, those after `after`. `effective`: the users who are members, directly or through
   * groups, and may act. Throws Rejected(notFound).
   */
  async members(id: string, effective: boolean, after: string, limit: number): Promise<MemberView[]> {
    const { tenant } = await this.show(id);
    const { rows } = await this.pool.query<MemberView>(
      effective
        ? `SELECT member AS id, 'User' AS type FROM ${EFFECTIVE_MEMBERS}($1, $2, $3, $4)`
        : `SELECT member AS id, CASE kind WHEN 'U' THEN 'User' ELSE 'Group' END AS type FROM ${MEMBERS_VIEW}
           WHERE tenant = $1 AND group_id = $2 AND member > $3 ORDER BY member LIMIT $4`,
      [tenant, id, after, limit],
    );
    return rows;
  }

  /** A local group. Without a tenant: in the first one. Throws Rejected. */
  async create(displayName: string, members: readonly string[], tenant?: string): Promise<GroupView> {
    const groupId = uuidv7();
    await this.send((await this.directories.tenant(tenant)).id, {
      type: 'CreateGroup',
      groupId,
      resource: { displayName },
      members,
    });
    return this.show(groupId);
  }

  /** All or nothing. Throws Rejected: conflict naming the owner of what is no local group. */
  async change(
    id: string,
    change: { readonly displayName?: string; readonly add?: readonly string[]; readonly remove?: readonly string[] },
  ): Promise<GroupView> {
    const { tenant } = await this.show(id);
    const listed = (ids: readonly string[]): { value: string }[] => ids.map((value) => ({ value }));
    const operations: PatchOperation[] = [
      ...(change.displayName === undefined
        ? []
        : [{ op: 'replace', path: 'displayName', value: change.displayName } as const]),
      ...(change.remove?.length ? [{ op: 'remove', path: 'members', value: listed(change.remove) } as const] : []),
      ...(change.add?.length ? [{ op: 'add', path: 'members', value: listed(change.add) } as const] : []),
    ];
    await this.send(tenant, { type: 'PatchGroup', groupId: id.toLowerCase(), operations, ifMatch: null });
    return this.show(id);
  }

  async delete(id: string): Promise<void> {
    const { tenant } = await this.show(id);
    await this.send(tenant, { type: 'DeleteGroup', groupId: id.toLowerCase(), ifMatch: null });
  }

  private async send(
    tenant: string,
    command: Exclude<GroupCommand, { type: 'LeaveGroups' }>,
  ): Promise<GroupSnapshot | null> {
    const sent = {
      type: GROUP_COMMAND_TYPES[command.type],
      subject: command.groupId,
      tenant,
      directory: null,
      command,
    };
    return (await sendCommand<GroupCommand>(this.group, sent)) as GroupSnapshot | null;
  }
}
