import { Injectable } from '@nestjs/common';
import type { ExtendedType } from '#contracts';
import { uuidv7 } from '#runtime';
import type { Schema } from '#scim';
import { Commands } from '../http/commands.sender.js';
import { Tenants } from '../tenants/tenants.queries.js';
import { Schemas, type SchemaView } from './schemas.queries.js';

/** Defines the extension schemas of tenants, by commands to their owner, which checks them. */
@Injectable()
export class DefinedSchemas {
  constructor(
    private readonly schemas: Schemas,
    private readonly tenants: Tenants,
    private readonly commands: Commands,
  ) {}

  /** Makes the schema or extends the one of this URN. Without a tenant: of the first one. Throws Rejected. */
  async define(tenant: string | undefined, resourceType: ExtendedType, schema: Schema): Promise<SchemaView> {
    const owner = await this.tenants.idOf(tenant);
    await this.commands.toDirectory(owner, { type: 'DefineSchema', schemaId: uuidv7(), resourceType, schema });
    const urn = schema.id.toLowerCase();
    return (await this.schemas.list(owner)).find((one) => one.schema.id.toLowerCase() === urn)!;
  }
}
