import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DOMAINS_VIEW, type VerifiedBy } from '#contracts';
import { isUuid } from '#runtime';
import { quote, Rejected } from '#scim';
import { POOL } from '../injected.js';

export interface DomainView {
  readonly id: string;
  readonly tenant: string;
  /** As people write it. */
  readonly name: string;
  /** As DNS has it. */
  readonly dnsName: string;
  readonly status: 'pending' | 'verified';
  /** How it was proved that it is the tenant's; null = it was not. */
  readonly verifiedBy: VerifiedBy | null;
  /** ISO 8601, UTC. */
  readonly verifiedAt: string | null;
  readonly created: string;
  /** The record that proves that the domain is the tenant's. */
  readonly record: { readonly type: 'TXT'; readonly name: string; readonly value: string };
}

interface DomainRow {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly shown_name: string;
  readonly record: string;
  readonly verified_by: VerifiedBy | null;
  readonly verified_at: Date | null;
  readonly created: Date;
}

/** The TXT record may also lie at the domain itself. */
export const recordNameOf = (dnsName: string): string => `_muster.${dnsName}`;

@Injectable()
export class Domains {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Those after `after`, the oldest first. `tenant` and `dnsName` null = of all. */
  page(tenant: string | null, dnsName: string | null, after: string, limit: number): Promise<DomainView[]> {
    return this.read(
      '($1::uuid IS NULL OR tenant = $1) AND ($2::text IS NULL OR name = $2) AND id > $3 ORDER BY id LIMIT $4',
      [tenant, dnsName, after, limit],
    );
  }

  /** Throws Rejected(notFound). */
  async show(id: string): Promise<DomainView> {
    const [found] = isUuid(id) ? await this.read('id = $1', [id]) : [];
    if (!found) throw new Rejected('notFound', `There is no domain with the id ${quote(id)}.`);
    return found;
  }

  /** Tells whether this domain is verified in another tenant, which is not said. */
  async isVerifiedElsewhere({ tenant, dnsName }: DomainView): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `SELECT FROM ${DOMAINS_VIEW} WHERE name = $1 AND tenant <> $2 AND verified_by IS NOT NULL`,
      [dnsName, tenant],
    );
    return rowCount !== 0;
  }

  private async read(which: string, values: readonly unknown[]): Promise<DomainView[]> {
    const { rows } = await this.pool.query<DomainRow>(
      `SELECT id, tenant, name, shown_name, record, verified_by, verified_at, created FROM ${DOMAINS_VIEW} WHERE ${which}`,
      [...values],
    );
    return rows.map((row) => ({
      id: row.id,
      tenant: row.tenant,
      name: row.shown_name,
      dnsName: row.name,
      status: row.verified_by === null ? 'pending' : 'verified',
      verifiedBy: row.verified_by,
      verifiedAt: row.verified_at && row.verified_at.toISOString(),
      created: row.created.toISOString(),
      record: { type: 'TXT', name: recordNameOf(row.name), value: row.record },
    }));
  }
}
