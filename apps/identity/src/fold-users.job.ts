import type { OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { foldedAttributes, USER, type Resource } from '#scim';

const PAGE_ROWS = 1_000;

/**
 * Makes the folded copies that are missing: of users who were written before there were any. Runs before anything is served; filters
 * that need such a copy are refused until then. Each page is a transaction of its own, and a start that was interrupted goes on.
 */
export class FoldUsers implements OnModuleInit {
  constructor(private readonly pool: Pool) {}

  async onModuleInit(): Promise<void> {
    let last = { tenant: '00000000-0000-0000-0000-000000000000', id: '00000000-0000-0000-0000-000000000000' };
    for (;;) {
      const { rows } = await this.pool.query<{ tenant: string; id: string; version: number; resource: Resource }>(
        `SELECT tenant, id, version, resource FROM identity.users
         WHERE folded IS NULL AND (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT ${PAGE_ROWS}`,
        [last.tenant, last.id],
      );
      if (rows.length === 0) return;
      // Of another version is who was changed meanwhile, and got a copy with it.
      await this.pool.query(
        `UPDATE identity.users u SET folded = r.folded
         FROM json_to_recordset($1) AS r(tenant uuid, id uuid, version int, folded jsonb)
         WHERE u.tenant = r.tenant AND u.id = r.id AND u.version = r.version`,
        [JSON.stringify(rows.map(({ resource, ...row }) => ({ ...row, folded: foldedAttributes(USER, resource) })))],
      );
      last = rows[rows.length - 1]!;
    }
  }
}
