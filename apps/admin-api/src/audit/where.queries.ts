import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DIRECTORIES_VIEW, INSTALLATION } from '#contracts';
import { isUuid } from '#runtime';
import { quote, Rejected } from '#scim';
import { POOL } from '../injected.js';
import { Tenants } from '../tenants/tenants.queries.js';
import { Histories } from './histories.queries.js';

/** Finds in which tenant it is that somebody asks for. */
@Injectable()
export class Where {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly tenants: Tenants,
    private readonly histories: Histories,
  ) {}

  /** A tenant that there is, or the installation; undefined = the first one. Throws Rejected(notFound). */
  async tenant(id: string | undefined): Promise<string> {
    return id === INSTALLATION ? id : this.tenants.idOf(id);
  }

  /** The directory of a name or an id, also of a deleted one by its id. `tenant` null = of any. Throws Rejected(notFound). */
  async directory(tenant: string | null, given: string): Promise<{ readonly id: string; readonly tenant: string }> {
    if (isUuid(given)) return { id: given.toLowerCase(), tenant: await this.histories.tenantOf(given.toLowerCase()) };
    const { rows } = await this.pool.query<{ id: string; tenant: string }>(
      `SELECT id, tenant FROM ${DIRECTORIES_VIEW}
       WHERE ($1::uuid IS NULL OR tenant = $1) AND lower(name) = lower($2) ORDER BY id LIMIT 2`,
      [tenant, given.trim()],
    );
    if (rows.length === 1) return rows[0]!;
    throw rows.length === 0
      ? new Rejected('notFound', `There is no directory ${quote(given)}: directory list shows their names and ids.`)
      : new Rejected(
          'conflict',
          `Several directories are called ${quote(given)}: ask by the id of one, which directory list shows.`,
        );
  }
}
