import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import type { ExtendedType } from '#contracts';
import { uuidv7 } from '#runtime';
import type { Schema } from '#scim';
import { ADMIN_POOL, Directories } from './directories.queries.js';

export interface SchemaView {
  readonly tenant: string;
  /** The resource type that it extends. */
  readonly resourceType: ExtendedType;
  readonly version: number;
  readonly schema: Schema;
}

/** The extension schemas of tenants: reads admin's own table, writes by commands. */
@Injectable()
export class Schemas {
  constructor(
    @Inject(ADMIN_POOL) private readonly pool: Pool,
    private readonly directories: Directories,
  ) {}

  /** Those of one tenant, or of all; the oldest first. */
  async list(tenant: string | undefined): Promise<SchemaView[]> {
    const { rows } = await this.pool.query<SchemaView>(
      `SELECT tenant, resource_type AS "resourceType", version, schema FROM admin.schemas WHERE $1::uuid IS NULL OR tenant = $1 ORDER BY tenant, id`,
      [tenant ?? null],
    );
    return rows;
  }

  /** Makes the schema or extends the one of this URN. Without a tenant: of the first one. Throws Rejected. */
  async define(tenant: string | undefined, resourceType: ExtendedType, schema: Schema): Promise<SchemaView> {
    const { id: owner } = await this.directories.tenant(tenant);
    await this.directories.send(owner, { type: 'DefineSchema', schemaId: uuidv7(), resourceType, schema });
    const urn = schema.id.toLowerCase();
    return (await this.list(owner)).find((one) => one.schema.id.toLowerCase() === urn)!;
  }
}
