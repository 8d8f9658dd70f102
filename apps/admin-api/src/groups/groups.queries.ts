import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DIRECTORIES_VIEW, EFFECTIVE_MEMBERS, GROUPS_VIEW, MEMBERS_VIEW, type MemberType } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { POOL } from '../injected.js';
import { Tenants } from '../tenants/tenants.queries.js';

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

/** Groups as administrators see them, whoever owns them. */
@Injectable()
export class Groups {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly tenants: Tenants,
  ) {}

  /** In the order of creation, those after `after`. Without a tenant: of the first one. */
  async page(tenant: string | undefined, after: string, limit: number): Promise<GroupView[]> {
    const { rows } = await this.pool.query<GroupView>(
      `${SELECT} WHERE g.tenant = $1 AND g.id > $2 ORDER BY g.id LIMIT $3`,
      [await this.tenants.idOf(tenant), after, limit],
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
}
