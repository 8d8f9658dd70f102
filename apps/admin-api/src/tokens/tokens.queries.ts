import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { LAST_USES_VIEW, LISTED_TOKENS_VIEW, type TokenStatus } from '#contracts';
import { isUuid } from '#runtime';
import { quote, Rejected } from '#scim';
import { POOL } from '../injected.js';
import { statusOf } from './expiry.js';

export interface TokenView {
  readonly id: string;
  readonly tenant: string;
  readonly directory: string;
  readonly description: string;
  readonly status: TokenStatus | 'expired';
  /** ISO 8601, UTC. */
  readonly created: string;
  /** Null = never. */
  readonly expiresAt: string | null;
  /** The token that took its place when it was rotated; null = none did. */
  readonly replacedBy: string | null;
  /** To a minute, ISO 8601, UTC; null = not yet. */
  readonly lastUsedAt: string | null;
}

interface TokenRow extends Omit<TokenView, 'status' | 'created' | 'expiresAt' | 'lastUsedAt'> {
  readonly status: TokenStatus;
  readonly created: Date;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** Lists tokens. No query opens one: tokens.sender.ts reveals it. */
@Injectable()
export class ListedTokens {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Those after `after`, the oldest first. `directory` and `tenant` null = of all. */
  page(directory: string | null, tenant: string | null, after: string, limit: number): Promise<TokenView[]> {
    return this.read(
      '($1::uuid IS NULL OR t.directory = $1) AND ($2::uuid IS NULL OR t.tenant = $2) AND t.id > $3 ORDER BY t.id LIMIT $4',
      [directory, tenant, after, limit],
    );
  }

  /** Throws Rejected(notFound). */
  async show(id: string): Promise<TokenView> {
    const [found] = isUuid(id) ? await this.read('t.id = $1', [id]) : [];
    if (!found) throw new Rejected('notFound', `There is no token with the id ${quote(id)}.`);
    return found;
  }

  private async read(which: string, values: readonly unknown[]): Promise<TokenView[]> {
    const { rows } = await this.pool.query<TokenRow>(
      `SELECT t.id, t.tenant, t.directory, t.description, t.status, t.created, t.expires_at AS "expiresAt",
         t.replaced_by AS "replacedBy", u.last_used_at AS "lastUsedAt"
       FROM ${LISTED_TOKENS_VIEW} t LEFT JOIN ${LAST_USES_VIEW} u ON u.id = t.id WHERE ${which}`,
      [...values],
    );
    const now = Date.now();
    return rows.map((row) => {
      const expiresAt = row.expiresAt && row.expiresAt.toISOString();
      return {
        ...row,
        created: row.created.toISOString(),
        expiresAt,
        lastUsedAt: row.lastUsedAt && row.lastUsedAt.toISOString(),
        status: statusOf(row.status, expiresAt, now),
      };
    });
  }
}
