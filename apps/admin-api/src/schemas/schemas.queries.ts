import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { SCHEMAS_VIEW, type ExtendedType } from '#contracts';
import type { Schema } from '#scim';
import { POOL } from '../injected.js';

export interface SchemaView {
  readonly id: string;
  readonly tenant: string;
  /** The resource type that it extends. */
  readonly resourceType: ExtendedType;
  readonly version: number;
  readonly schema: Schema;
}

const SELECT = `SELECT id, tenant, resource_type AS "resourceType", version, schema FROM ${SCHEMAS_VIEW}`;

/** The extension schemas of tenants. */
@Injectable()
export class Schemas {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Those of one tenant, or of all, after `after`; the oldest first. */
  async page(tenant: string | undefined, after: string, limit: number): Promise<SchemaView[]> {
    const { rows } = await this.pool.query<SchemaView>(
      `${SELECT} WHERE ($1::uuid IS NULL OR tenant = $1) AND id > $2 ORDER BY id LIMIT $3`,
      [tenant ?? null, after, limit],
    );
    return rows;
  }

  /** All of a tenant: they are few. */
  async ofTenant(tenant: string): Promise<SchemaView[]> {
    return (await this.pool.query<SchemaView>(`${SELECT} WHERE tenant = $1`, [tenant])).rows;
  }

  /** The schema of a tenant that has this URN, in whatever case it was written. */
  async ofUrn(tenant: string, urn: string): Promise<SchemaView | undefined> {
    return (await this.ofTenant(tenant)).find(({ schema }) => schema.id.toLowerCase() === urn.toLowerCase());
  }
}
