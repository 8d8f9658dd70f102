import type { OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { definitionsOf, type Resource } from '#scim';
import { groupRow } from './group.projection.js';

const PAGE_ROWS = 1_000;

/**
 * Makes the keys of names that are missing: of groups that were written before there were any. Runs before anything is served, and a start
 * that was interrupted goes on. Who has a key already keeps it; verify names both groups.
 */
export class FoldGroupNames implements OnModuleInit {
  constructor(private readonly pool: Pool) {}

  async onModuleInit(): Promise<void> {
    for (;;) {
      const { rows } = await this.pool.query<{ tenant: string; id: string; directory: string | null; version: number; resource: Resource }>(
        `SELECT tenant, id, directory, version, resource FROM "group".groups WHERE name_key = '' ORDER BY tenant, id LIMIT ${PAGE_ROWS}`,
      );
      if (rows.length === 0) return;
      const made = JSON.stringify(rows.map(({ tenant, ...row }) => groupRow(tenant, { created: '', lastModified: '', memberCount: 0, ...row }, definitionsOf(null).group)));
      await this.pool.query(
        `UPDATE "group".claims c SET holder = NULL
         FROM json_to_recordset($1) AS r(tenant uuid, id uuid, directory uuid, display_name_folded text, name_key text)
         WHERE r.name_key IS NOT NULL AND c.tenant = r.tenant AND c.kind = 'displayName'
           AND c.value = coalesce(r.directory::text, 'local') || '/' || r.display_name_folded AND c.holder = r.id`, [made],
      );
      await this.pool.query(
        `INSERT INTO "group".claims AS c (tenant, kind, value, holder)
         SELECT DISTINCT ON (tenant, directory, name_key) tenant, 'displayName', coalesce(directory::text, 'local') || '/' || name_key, id
         FROM json_to_recordset($1) AS r(tenant uuid, id uuid, directory uuid, name_key text) WHERE name_key IS NOT NULL
         ORDER BY tenant, directory, name_key, id
         ON CONFLICT (tenant, kind, value) DO UPDATE SET holder = coalesce(c.holder, excluded.holder)`, [made],
      );
      await this.pool.query(
        `UPDATE "group".groups g SET name_key = r.name_key FROM json_to_recordset($1) AS r(tenant uuid, id uuid, name_key text)
         WHERE g.tenant = r.tenant AND g.id = r.id`, [made],
      );
    }
  }
}
