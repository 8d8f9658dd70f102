import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { SCHEMAS_VIEW, type ExtendedType } from '#contracts';
import type { Schema } from '#scim';
import { POOL } from '../injected.js';

export interface SchemaView {
  readonly tenant: string;
  /** The resource type that it extends. */
  readonly resourceType: ExtendedType;
  readonly version: number;
  readonly schema: Schema;
}

/** The extension schemas of tenants. */
@Injectable()
export class Schemas {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Those of one tenant, or of all; the oldest first. */
  async list(tenant: string | undefined): Promise<SchemaView[]> {
    const { rows } = await this.pool.query<SchemaView>(
      `SELECT tenant, resource_type AS "resourceType", version, schema FROM ${SCHEMAS_VIEW} WHERE $1::uuid IS NULL OR tenant = $1 ORDER BY tenant, id`,
      [tenant ?? null],
    );
    return rows;
  }
}
