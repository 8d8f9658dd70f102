import type { OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { pageByBytes, schemasAsJson } from '#contracts';
import { definitionsByTenant, STANDARD, type Resource, type TenantSchema } from '#scim';
import type { Links } from './user-load.queries.js';
import { userRow } from './user.projection.js';

/**
 * A page of long users ends after 4 MiB of them, because nobody waits longer for a statement than for the writes of a
 * lane.
 */
const NEXT_UNFOLDED = pageByBytes({
  table: 'identity.users',
  key: ['tenant', 'id'],
  columns: ['version', 'resource', 'links'],
  condition: 'folded IS NULL',
  bytes: 'octet_length(resource::text) + coalesce(octet_length(links::text), 0)',
  maxRows: 1_000,
  maxBytes: 4 * 1_048_576,
});

interface Unfolded {
  readonly tenant: string;
  readonly id: string;
  readonly version: number;
  readonly resource: Resource;
  readonly links: Links | null;
}

/**
 * Makes the folded copies and the keys of names that are missing: of users who were written before there were any. Runs
 * before anything is served; filters that need such a copy are refused until then. A start that was interrupted goes
 * on.
 */
export class FoldUsers implements OnModuleInit {
  constructor(private readonly pool: Pool) {}

  async onModuleInit(): Promise<void> {
    const {
      rows: [found],
    } = await this.pool.query<{ schemas: (TenantSchema & { tenant: string })[] | null }>(
      `SELECT ${schemasAsJson('IS NOT NULL')} AS schemas`,
    );
    const definitions = definitionsByTenant(found!.schemas);
    let last = { tenant: '00000000-0000-0000-0000-000000000000', id: '00000000-0000-0000-0000-000000000000' };
    for (;;) {
      const { rows } = await this.pool.query<Unfolded>(NEXT_UNFOLDED, [last.tenant, last.id]);
      if (rows.length === 0) return;
      await this.fill(
        rows.map(({ tenant, links, ...row }) =>
          userRow(
            tenant,
            {
              directory: null,
              created: '',
              lastModified: '',
              signIns: [],
              before: null,
              refused: [],
              awaited: false,
              ...row,
              ...links,
            },
            (definitions.get(tenant) ?? STANDARD).user,
          ),
        ),
      );
      last = rows[rows.length - 1]!;
    }
  }

  private async fill(rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    await this.claim(rows.filter(({ name_key }) => name_key !== null));
    // Of another version is who was changed meanwhile, and got a copy with it.
    await this.pool.query(
      `UPDATE identity.users u
       SET folded = r.folded, name_key = r.name_key, former_upn_key = r.former_upn_key, work_email_key = r.work_email_key, links = r.links
       FROM json_to_recordset($1) AS r(tenant uuid, id uuid, version int, folded jsonb, name_key text, former_upn_key text, work_email_key text, links jsonb)
       WHERE u.tenant = r.tenant AND u.id = r.id AND u.version = r.version`,
      [partsOf(rows, 'version', 'folded', 'name_key', 'former_upn_key', 'work_email_key', 'links')],
    );
  }

  /**
   * A name is claimed by its key: who claimed it by the folded name lets go of that. A user who has the key already
   * keeps it; verify names both.
   */
  private async claim(rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    if (rows.length === 0) return;
    const json = partsOf(rows, 'user_name_folded', 'name_key');
    await this.pool.query(
      `UPDATE identity.claims c SET holder = NULL FROM json_to_recordset($1) AS r(tenant uuid, id uuid, user_name_folded text)
       WHERE c.tenant = r.tenant AND c.kind = 'userName' AND c.value = r.user_name_folded AND c.holder = r.id`,
      [json],
    );
    await this.pool.query(
      `INSERT INTO identity.claims AS c (tenant, kind, value, holder)
       SELECT DISTINCT ON (tenant, name_key) tenant, 'userName', name_key, id FROM json_to_recordset($1) AS r(tenant uuid, id uuid, name_key text)
       ORDER BY tenant, name_key, id
       ON CONFLICT (tenant, kind, value) DO UPDATE SET holder = coalesce(c.holder, excluded.holder)`,
      [json],
    );
  }
}

/** As JSON, what a statement needs of these rows: the resource itself is not sent back. */
const partsOf = (rows: readonly Readonly<Record<string, unknown>>[], ...columns: readonly string[]): string =>
  JSON.stringify(rows.map((row) => Object.fromEntries(['tenant', 'id', ...columns].map((name) => [name, row[name]]))));
