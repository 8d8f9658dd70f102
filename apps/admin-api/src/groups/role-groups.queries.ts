import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { GROUPS_VIEW, MEMBERS_OF_ANY, type DirectorySettings } from '#contracts';
import { isUuid } from '#runtime';
import { fold, quote, Rejected } from '#scim';
import { POOL } from '../injected.js';

/** Groups that are below those that give roles: more of them are not looked into. */
const MAX_GROUPS = 10_000;
/** So many groups of one name are told. */
const MAX_TOLD = 5;

type GroupRoles = DirectorySettings['groupRoles'];

/** The groups of a directory that give web roles. */
@Injectable()
export class RoleGroups {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /**
   * The setting with each group by its id: whoever may name groups at the identity provider could call another one like
   * it. A group is named by its id, or by its name as long as only one has it. Throws Rejected(invalidValue).
   */
  async named(directory: { readonly id: string; readonly tenant: string }, roles: GroupRoles): Promise<GroupRoles> {
    const byId = new Map<string, GroupRoles[string]>();
    for (const [given, role] of Object.entries(roles)) {
      const id = await this.idOf(directory, given);
      if ((byId.get(id) ?? role) !== role)
        throw new Rejected('invalidValue', `groupRoles names the group ${id} twice, with ${byId.get(id)} and ${role}.`);
      byId.set(id, role);
    }
    return Object.fromEntries([...byId].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  private async idOf({ id, tenant }: { readonly id: string; readonly tenant: string }, given: string): Promise<string> {
    const found = isUuid(given) ? await this.groups(tenant, id, 'g.id = $3::uuid', given) : [];
    const groups = found.length > 0 ? found : await this.groups(tenant, id, 'g.display_name_folded = $3', fold(given));
    if (groups.length === 1) return groups[0]!;
    throw new Rejected(
      'invalidValue',
      groups.length === 0
        ? `groupRoles: the directory has no group with the id or the name ${quote(given)}.`
        : `groupRoles: the directory has several groups of the name ${quote(given)}: name one by its id, such as ${groups.slice(0, MAX_TOLD).join(', ')}.`,
    );
  }

  private async groups(tenant: string, directory: string, condition: string, value: string): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string }>(
      `SELECT g.id FROM ${GROUPS_VIEW} g WHERE g.tenant = $1 AND g.directory = $2 AND ${condition} ORDER BY g.id LIMIT ${MAX_TOLD + 1}`,
      [tenant, directory, value],
    );
    return rows.map((row) => row.id);
  }

  /** Names of groups by their ids; a group that is gone has none. */
  async namesOf(tenant: string, groups: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (groups.length === 0) return new Map();
    const { rows } = await this.pool.query<{ id: string; name: string }>(
      `SELECT g.id, g.resource->>'displayName' AS name FROM unnest($2::uuid[]) AS t(id)
       CROSS JOIN LATERAL (SELECT * FROM ${GROUPS_VIEW} WHERE tenant = $1 AND id = t.id OFFSET 0) g`,
      [tenant, groups],
    );
    return new Map(rows.map(({ id, name }) => [id, name]));
  }

  /**
   * Those of the groups in which each user between two ids is, directly or through others; users who are in none are
   * left out. Throws Rejected(tooMany).
   */
  async memberships(
    tenant: string,
    groups: readonly string[],
    first: string,
    last: string,
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const found = new Map<string, string[]>();
    if (groups.length === 0) return found;
    const { rows } = await this.pool.query<{ group_id: string; member: string | null }>(
      `SELECT group_id, member FROM ${MEMBERS_OF_ANY}($1, $2::uuid[], $3, $4, ${MAX_GROUPS})`,
      [tenant, groups, first, last],
    );
    for (const { group_id: group, member } of rows) {
      if (member === null)
        throw new Rejected(
          'tooMany',
          `More than ${MAX_GROUPS} groups are in those that give web roles: who is in them cannot be said. Let groups give roles that contain fewer.`,
        );
      const others = found.get(member);
      if (others) others.push(group);
      else found.set(member, [group]);
    }
    return found;
  }
}
