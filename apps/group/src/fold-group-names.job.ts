import type { OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { pageByBytes } from '#contracts';
import { definitionsOf, type Resource } from '#scim';
import { groupRow } from './group.projection.js';

const LEAST_ID = '00000000-0000-0000-0000-000000000000';
/** As long as a page of users that get their copies (fold-users.job.ts), whatever the length of a group. */
const NEXT_UNNAMED = pageByBytes({
  table: '"group".groups',
  key: ['tenant', 'id'],
  columns: ['directory', 'version', 'resource'],
  condition: "name_key = ''",
  bytes: 'octet_length(resource::text)',
  maxRows: 1_000,
  maxBytes: 4 * 1_048_576,
});

/**
 * Makes the keys of names that are missing: of groups that were written before there were any. Runs before anything is
 * served, and a start that was interrupted goes on. A group that has a key already keeps it; verify names both groups.
 */
export class FoldGroupNames implements OnModuleInit {
  constructor(private readonly pool: Pool) {}

  async onModuleInit(): Promise<void> {
    let last = { tenant: LEAST_ID, id: LEAST_ID };
    for (;;) {
      const { rows } = await this.pool.query<{
        tenant: string;
        id: string;
        directory: string | null;
        version: number;
        resource: Resource;
      }>(NEXT_UNNAMED, [last.tenant, last.id]);
      if (rows.length === 0) return;
      last = rows.at(-1)!;
      const made = JSON.stringify(
        rows.map(({ tenant, ...row }) => {
          const { id, directory, display_name_folded, name_key } = groupRow(
            tenant,
            { created: '', lastModified: '', memberCount: 0, ...row },
            definitionsOf(null).group,
          );
          return { tenant, id, directory, display_name_folded, name_key };
        }),
      );
      await this.pool.query(
        `UPDATE "group".claims c SET holder = NULL
         FROM json_to_recordset($1) AS r(tenant uuid, id uuid, directory uuid, display_name_folded text, name_key text)
         WHERE r.name_key IS NOT NULL AND c.tenant = r.tenant AND c.kind = 'displayName'
           AND c.value = coalesce(r.directory::text, 'local') || '/' || r.display_name_folded AND c.holder = r.id`,
        [made],
      );
      await this.pool.query(
        `INSERT INTO "group".claims AS c (tenant, kind, value, holder)
         SELECT DISTINCT ON (tenant, directory, name_key) tenant, 'displayName', coalesce(directory::text, 'local') || '/' || name_key, id
         FROM json_to_recordset($1) AS r(tenant uuid, id uuid, directory uuid, name_key text) WHERE name_key IS NOT NULL
         ORDER BY tenant, directory, name_key, id
         ON CONFLICT (tenant, kind, value) DO UPDATE SET holder = coalesce(c.holder, excluded.holder)`,
        [made],
      );
      await this.pool.query(
        `UPDATE "group".groups g SET name_key = r.name_key FROM json_to_recordset($1) AS r(tenant uuid, id uuid, name_key text)
         WHERE g.tenant = r.tenant AND g.id = r.id`,
        [made],
      );
    }
  }
}
