import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { API_KEYS_VIEW, LAST_USES_VIEW, type KeyScope } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { POOL } from '../injected.js';

/** A key as administrators see it: the key itself is shown once, to the one who makes it. */
export interface KeyView {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  /** The tenant that it may see and change; null = the whole installation. */
  readonly tenant: string | null;
  readonly status: 'active' | 'revoked' | 'expired';
  readonly created: Date;
  /** null = never. */
  readonly expiresAt: Date | null;
  /** To a minute; null = not yet. */
  readonly lastUsedAt: Date | null;
}

const SELECT = `
  SELECT k.id, k.name, k.scopes, k.of_tenant AS tenant, k.created, k.expires_at AS "expiresAt", u.last_used_at AS "lastUsedAt",
    CASE WHEN k.status = 'active' AND k.expires_at <= now() THEN 'expired' ELSE k.status END AS status
  FROM ${API_KEYS_VIEW} k LEFT JOIN ${LAST_USES_VIEW} u ON u.id = k.id`;

@Injectable()
export class Keys {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Those after `after`, the oldest first, also those that are revoked. */
  async page(after: string, limit: number): Promise<KeyView[]> {
    const { rows } = await this.pool.query<KeyView>(`${SELECT} WHERE k.id > $1 ORDER BY k.id LIMIT $2`, [after, limit]);
    return rows;
  }

  /** Throws Rejected(notFound). */
  async show(id: string): Promise<KeyView> {
    const { rows } = isUuid(id) ? await this.pool.query<KeyView>(`${SELECT} WHERE k.id = $1`, [id]) : { rows: [] };
    if (!rows[0]) throw new Rejected('notFound', `There is no key with the id ${id}.`);
    return rows[0];
  }

  /** The key with this hash, and those that are active under a name; hashes stay here. */
  async ofHashOrName(hash: string, name: string): Promise<{ id: string; isOfHash: boolean; isActive: boolean }[]> {
    const { rows } = await this.pool.query<{ id: string; isOfHash: boolean; isActive: boolean }>(
      `SELECT id, hash = $1 AS "isOfHash", status = 'active' AS "isActive" FROM ${API_KEYS_VIEW}
       WHERE hash = $1 OR (name = $2 AND status = 'active')`,
      [hash, name],
    );
    return rows;
  }
}
