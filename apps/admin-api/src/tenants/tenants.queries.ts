import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DIRECTORIES_VIEW, TENANTS_VIEW } from '#contracts';
import { isUuid } from '#runtime';
import { quote, Rejected } from '#scim';
import { POOL } from '../injected.js';

export interface TenantView {
  readonly id: string;
  readonly name: string;
  /** The number of its directories. */
  readonly directories: number;
  /** False: nobody is shown a token again after it was made. */
  readonly revealTokens: boolean;
}

@Injectable()
export class Tenants {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** One tenant, or all, after `after`; the oldest first. */
  page(tenant: string | undefined, after: string, limit: number): Promise<TenantView[]> {
    return this.read('WHERE t.id > $1 AND ($3::uuid IS NULL OR t.id = $3) ORDER BY t.id LIMIT $2', [
      after,
      limit,
      tenant ?? null,
    ]);
  }

  /** Throws Rejected(notFound). */
  async show(id: string): Promise<TenantView> {
    const [found] = isUuid(id) ? await this.read('WHERE t.id = $1', [id]) : [];
    if (!found) throw new Rejected('notFound', `There is no tenant with the id ${quote(id)}.`);
    return found;
  }

  /** The ids and names of all tenants, the oldest first. */
  async all(): Promise<Pick<TenantView, 'id' | 'name'>[]> {
    const { rows } = await this.pool.query<Pick<TenantView, 'id' | 'name'>>(
      `SELECT id, name FROM ${TENANTS_VIEW} ORDER BY id`,
    );
    return rows;
  }

  /** Its id, if there is such a tenant. Without an id: that of the first one. Throws Rejected(notFound). */
  async idOf(id: string | undefined): Promise<string> {
    const { rows } = await this.pool.query<{ id: string }>(
      `SELECT id FROM ${TENANTS_VIEW} WHERE $1::uuid IS NULL OR id = $1 ORDER BY id LIMIT 1`,
      [id ?? null],
    );
    if (rows[0]) return rows[0].id;
    throw new Rejected(
      'notFound',
      id === undefined ? 'There is no tenant yet.' : `There is no tenant with the id ${id}.`,
    );
  }

  private async read(which: string, values: readonly unknown[]): Promise<TenantView[]> {
    const { rows } = await this.pool.query<TenantView>(
      `SELECT t.id, t.name, (SELECT count(*)::int FROM ${DIRECTORIES_VIEW} d WHERE d.tenant = t.id) AS directories,
         t.reveal_tokens AS "revealTokens"
       FROM ${TENANTS_VIEW} t ${which}`,
      [...values],
    );
    return rows;
  }
}
